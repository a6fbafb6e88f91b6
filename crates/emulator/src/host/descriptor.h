// Operands of wgmma in shared memory (PTX ISA, "Asynchronous Warpgroup Level Matrix Shared Memory Layout"), K-major and
// without swizzle: 8 x 8 core matrices of 16-bit elements, 128 bytes each, row by row. Element (row, k) is at
//
//   start + row / 8 * stride + k / 8 * leading + row % 8 * 16 + k % 8 * 2
//
// where bits 0 to 13 of the descriptor are start / 16, 16 to 29 leading / 16, and 32 to 45 stride / 16.
#pragma once

namespace retrial {

// `rows` x 16 elements, and what lay there when a product began.
struct Operand {
    const unsigned char* start;
    size_t leading, stride;
    unsigned rows;
    std::vector<unsigned short> seen; // [rows][16]
    std::vector<Range> ranges;        // that it takes, without overlap
};

inline const unsigned char* core_matrix(const Operand& operand, unsigned group, unsigned half) {
    return operand.start + group * operand.stride + half * operand.leading;
}

inline std::vector<unsigned short> gather(const Operand& operand) {
    std::vector<unsigned short> elements(operand.rows * 16);
    for (unsigned row = 0; row < operand.rows; ++row) {
        for (unsigned half = 0; half < 2; ++half) {
            memcpy(&elements[row * 16 + half * 8], core_matrix(operand, row / 8, half) + row % 8 * 16, 16);
        }
    }
    return elements;
}

inline std::vector<Range> ranges_of(const Operand& operand) {
    std::vector<const unsigned char*> starts;
    for (unsigned group = 0; group < operand.rows / 8; ++group) {
        for (unsigned half = 0; half < 2; ++half) starts.push_back(core_matrix(operand, group, half));
    }
    std::sort(starts.begin(), starts.end());
    std::vector<Range> ranges;
    for (const unsigned char* start : starts) {
        if (ranges.empty() || start > ranges.back().begin + ranges.back().bytes) ranges.push_back({start, 0});
        ranges.back().bytes = start + 128 - ranges.back().begin;
    }
    return ranges;
}

// Reads a descriptor, and what it describes as it is now: arrived, and published to the async proxy.
inline Operand read_operand(const char* name, uint64_t descriptor, unsigned rows, Site site) {
    const auto field = [&](unsigned from) { return size_t(descriptor >> from & 0x3fff) << 4; };
    if (descriptor & ~0x3fff3fff3fffull) {
        fail_at(site,
                "the descriptor 0x%016llx of %s has bits outside of address and offsets: swizzled layouts and base "
                "offsets are not emulated",
                static_cast<unsigned long long>(descriptor), name);
    }
    const ptrdiff_t start = ptrdiff_t(field(0)) - WINDOW;
    Operand operand{dynamic_shared + start, field(16), field(32), rows, {}, {}};
    operand.ranges = ranges_of(operand);
    for (const Range& range : operand.ranges) {
        const ptrdiff_t byte = range.begin - dynamic_shared;
        if (byte < 0 || byte + range.bytes > launch->shared_bytes) {
            fail_at(
                site,
                "%s takes bytes %td to %td of the %zu of dynamic shared memory (start %td, leading %zu, stride %zu)",
                name, byte, byte + ptrdiff_t(range.bytes), launch->shared_bytes, start, operand.leading,
                operand.stride);
        }
        check_arrived(range, "wgmma reads", site);
        if (memcmp(range.begin, published[rank_of(*cta)] + byte, range.bytes)) {
            fail_at(site,
                    "%s reads bytes %td to %td of shared memory, where a thread wrote with no fence.proxy.async after",
                    name, byte, byte + ptrdiff_t(range.bytes));
        }
    }
    operand.seen = gather(operand);
    return operand;
}

// That an operand is what it was.
inline void check_unchanged(const char* name, const Operand& operand, Site site) {
    if (gather(operand) == operand.seen) return;
    fail_at(site, "%s, from byte %td of shared memory, was written to before all warps had waited for wgmma", name,
            operand.start - dynamic_shared);
}

} // namespace retrial
