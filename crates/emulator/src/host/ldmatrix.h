// ldmatrix.sync.aligned.m8n8.shared.b16 (PTX ISA, "Warp-level Matrix Instructions: ldmatrix"): lane 8 i + r names row r
// of matrix i, 16 bytes; lane 4 r + c receives elements 2 c and 2 c + 1 of row r of matrix i in its register i.
#pragma once

namespace retrial {

template <unsigned MATRICES> struct LoadMatrix {
    unsigned* out;
    const void* row;
    static void complete(unsigned, LoadMatrix** lanes) {
        for (unsigned l = 0; l < 32; ++l) {
            for (unsigned i = 0; i < MATRICES; ++i) {
                const void* const row = lanes[8 * i + l / 4]->row;
                memcpy(&lanes[l]->out[i], static_cast<const unsigned char*>(row) + l % 4 * 4, 4);
            }
        }
    }
};

template <unsigned MATRICES> void load_matrix(unsigned* out, const void* row, Site site) {
    if (current->lane < 8 * MATRICES) {
        check_in_shared("ldmatrix from", row, 16, site);
        if (reinterpret_cast<uintptr_t>(row) % 16) {
            fail_at(site, "ldmatrix from %p, which is not a multiple of 16", row);
        }
    }
    LoadMatrix<MATRICES> operation{out, row};
    together(~0u, operation, site);
}

} // namespace retrial

inline void emulated_ldmatrix_x4(unsigned (&out)[4], const void* row, RETRIAL_SITE) {
    retrial::load_matrix<4>(out, row, RETRIAL_HERE);
}
// The rows that lanes 16 to 31 name are not read.
inline void emulated_ldmatrix_x2(unsigned (&out)[2], const void* row, RETRIAL_SITE) {
    retrial::load_matrix<2>(out, row, RETRIAL_HERE);
}
