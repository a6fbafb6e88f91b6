// wgmma.mma_async.sync.aligned.m64nNk16.f32 (PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions"). A product is
// done as late as the rules allow, by the first wait of a warp for its group, or, in shuffled order, earlier. Each warp
// finds its registers of D poisoned until its own wait, and must leave them and those of A alone: `d` and `a` are the
// registers themselves, not copies. Shared operands are read at the end, and must not change before.
//
// Each element of D adds its products one by one in f32, k ascending; a tensor core rounds otherwise.
#pragma once

namespace retrial {

constexpr unsigned LANES = 128; // of a warpgroup

// A variant of the instruction.
struct ProductKind {
    unsigned columns;
    bool from_shared; // A
    void (*multiply)(float* d, const unsigned short* a, const unsigned short* b); // [64][n] += [64][16] x [n][16]
};

// D while products of it are under way, in place of the registers of the warps of `users`.
struct Accumulator {
    unsigned columns, joined, users; // bits of warps
    unsigned last[4];                // product of each warp
    float* at[LANES];
    std::vector<float> values; // [64][columns]
};

struct Product {
    const ProductKind* kind;
    uint64_t a_descriptor, b_descriptor;
    bool accumulate, done;
    unsigned group, warps; // `warps` have issued it
    Site site;
    Accumulator* d;
    Operand a, b;
    const unsigned* a_at[LANES];
    unsigned a_registers[LANES][4];
};

struct Warpgroup {
    std::deque<Product> products; // from number `first` on
    unsigned first;
    std::list<Accumulator> accumulators;
    Queue waiting;
};

// Of each warp: how many products it has issued and waited for, how many groups it has committed, and whether it ran a
// fence since it last waited.
struct Issued {
    unsigned products, released, groups;
    bool fenced;
};

static Warpgroup warpgroups[MAX_CLUSTER * MAX_WARPS / 4];
static Issued issued[MAX_CLUSTER * MAX_WARPS];

static void begin_products() {
    for (Warpgroup& group : warpgroups) {
        group.products.clear();
        group.accumulators.clear();
        group.waiting.clear();
        group.first = 0;
    }
    for (Issued& warp : issued) warp = {};
}

// Calls `f(value in [64][columns], register)` for each register of D of a lane of the warpgroup.
template <class F> inline void each_register(unsigned columns, unsigned lane, F f) {
    const unsigned row = lane / 32 * 16 + lane % 32 / 4, column = lane % 4 * 2;
    for (unsigned i = 0; i < columns / 2; ++i) f((row + i / 2 % 2 * 8) * columns + i / 4 * 8 + column + i % 2, i);
}

// A from its registers.
inline std::vector<unsigned short> unpack(const Product& product) {
    std::vector<unsigned short> a(64 * 16);
    for (unsigned lane = 0; lane < LANES; ++lane) {
        const unsigned row = lane / 32 * 16 + lane % 32 / 4, pair = lane % 4;
        for (unsigned r = 0; r < 4; ++r) {
            memcpy(&a[(row + r % 2 * 8) * 16 + r / 2 * 8 + pair * 2], &product.a_registers[lane][r], 4);
        }
    }
    return a;
}

inline void finish(Product& product) {
    if (product.done) return;
    product.done = true;
    check_unchanged("B", product.b, product.site);
    if (product.kind->from_shared) check_unchanged("A", product.a, product.site);
    std::vector<float>& d = product.d->values;
    if (!product.accumulate) std::fill(d.begin(), d.end(), 0.0f);
    const auto a = product.kind->from_shared ? product.a.seen : unpack(product);
    product.kind->multiply(d.data(), a.data(), product.b.seen.data());
}

// That no product under way reads these bytes, said as `what`, which writes them.
static void check_unread(const Range& range, const char* what, Site site) {
    for (const Warpgroup& group : warpgroups) {
        for (const Product& product : group.products) {
            if (product.done) continue;
            for (const Operand* operand : {&product.a, &product.b}) {
                for (const Range& read : operand->ranges) {
                    if (!range.overlaps(read)) continue;
                    fail("%s:%d: %s bytes that the wgmma at %s:%d has yet to read: the stage is overrun", site.file,
                         site.line, what, product.site.file, product.site.line);
                }
            }
        }
    }
}

inline void multiply_late(const Agent& agent) {
    Warpgroup& group = *agent.warpgroup;
    for (unsigned at = 0; at < group.products.size() && group.first + at <= agent.sequence; ++at) {
        finish(group.products[at]);
    }
}

// What a lane brings.
struct Call {
    const ProductKind* kind;
    float* d;
    const unsigned* a;
    uint64_t a_descriptor, b_descriptor;
    bool accumulate;
    bool operator!=(const Call& other) const { // but for the lane's registers
        return kind != other.kind || a_descriptor != other.a_descriptor || b_descriptor != other.b_descriptor ||
               accumulate != other.accumulate;
    }
    static void complete(unsigned, Call** lanes);
};

// The accumulator that stands for a lane's registers, or null.
inline Accumulator* in_use(Warpgroup& group, unsigned lane, const Call& call, Site site) {
    for (Accumulator& d : group.accumulators) {
        if (!(d.users >> lane / 32 & 1) || call.d >= d.at[lane] + d.columns / 2) continue;
        if (call.d + call.kind->columns / 2 <= d.at[lane]) continue;
        if (call.d == d.at[lane] && call.kind->columns == d.columns) return &d;
        fail("%s:%d: registers of D of a wgmma of another shape that is under way", site.file, site.line);
    }
    return nullptr;
}

// Takes over the registers of a warp, and poisons them.
inline void join(Accumulator& d, unsigned w, Call** lanes) {
    d.joined |= 1u << w;
    d.users |= 1u << w;
    for (unsigned l = 0; l < 32; ++l) {
        float* const registers = d.at[w * 32 + l] = lanes[l]->d;
        each_register(d.columns, w * 32 + l, [&](unsigned value, unsigned r) { d.values[value] = registers[r]; });
        memset(registers, POISON, d.columns / 2 * sizeof(float));
    }
}

inline void Call::complete(unsigned, Call** lanes) {
    const Call& call = *lanes[0];
    const Site site = current->site;
    const unsigned warp = current->warp, w = warp % 4;
    Warpgroup& group = warpgroups[warp / 4];
    Issued& mine = issued[warp];
    for (unsigned l = 1; l < 32; ++l) {
        if (*lanes[l] != call) fail("%s:%d: lanes of a warp issue different wgmmas", site.file, site.line);
    }
    if (warp % MAX_WARPS / 4 * 4 + 4 > warp_count) fail("%s:%d: wgmma by less than 4 warps", site.file, site.line);
    Accumulator* const used = in_use(group, w * 32, call, site);
    if (!used && !mine.fenced) {
        fail("%s:%d: wgmma with no wgmma.fence since registers of D were last the thread's", site.file, site.line);
    }
    const unsigned at = mine.products++ - group.first;
    if (at == group.products.size()) {
        group.products.push_back({call.kind, call.a_descriptor, call.b_descriptor, call.accumulate, false, mine.groups, 0,
                                  site, used, {}, read_operand("B", call.b_descriptor, call.kind->columns, site), {}, {}});
        Product& product = group.products.back();
        if (call.kind->from_shared) product.a = read_operand("A", call.a_descriptor, 64, site);
        if (!used) {
            group.accumulators.push_back({call.kind->columns, 0, 0, {}, {}, {}});
            product.d = &group.accumulators.back();
            product.d->values.resize(64 * call.kind->columns);
        }
    }
    Product& product = group.products[at];
    const Call first{product.kind, nullptr, nullptr, product.a_descriptor, product.b_descriptor, product.accumulate};
    if (first != call || product.group != mine.groups || (used ? used != product.d : product.d->joined >> w & 1)) {
        fail("%s:%d: warp %u issues another wgmma than others of its warpgroup at %s:%d, or into other registers or another "
             "group", site.file, site.line, warp % MAX_WARPS, product.site.file, product.site.line);
    }
    if (!used) join(*product.d, w, lanes);
    product.d->last[w] = mine.products - 1;
    for (unsigned l = 0; l < 32 && call.a; ++l) {
        product.a_at[w * 32 + l] = lanes[l]->a;
        memcpy(product.a_registers[w * 32 + l], lanes[l]->a, sizeof *product.a_registers);
    }
    product.warps |= 1u << w;
    if (product.warps != 15) return;
    wake(group.waiting);
    if (launch->order != 2) return;
    Agent agent{multiply_late, "wgmma", current, site, nullptr};
    agent.warpgroup = &group;
    agent.sequence = mine.products - 1;
    add_agent(agent);
}

// Products of a warp that it has not waited for and whose group lies before `limit`, if all warps have issued them.
inline bool all_issued(const Warpgroup& group, const Issued& warp, unsigned limit) {
    for (unsigned at = warp.released; at != warp.products; ++at) {
        const Product& product = group.products[at - group.first];
        if (product.group >= limit) break;
        if (product.warps != 15) return false;
    }
    return true;
}

inline void describe_products(Text& text, const void* object, unsigned) {
    for (const Product& product : static_cast<const Warpgroup*>(object)->products) {
        if (product.warps == 15) continue;
        return text.add("the wgmma at %s:%d, which only the warps 0x%x of their warpgroup have issued", product.site.file,
                        product.site.line, product.warps);
    }
}

// That a warp has left alone the registers of a product that is done.
inline void check_registers_kept(const Product& product, unsigned w, Site site) {
    for (unsigned lane = w * 32; lane < w * 32 + 32; ++lane) {
        if (!product.kind->from_shared && memcmp(product.a_at[lane], product.a_registers[lane], sizeof *product.a_registers)) {
            fail("%s:%d: the registers of A of the wgmma at %s:%d were written to before this wait", site.file, site.line,
                 product.site.file, product.site.line);
        }
    }
}

// Gives a warp its registers of D back.
inline void hand_back(Accumulator& d, unsigned w, Site site) {
    d.users &= ~(1u << w);
    for (unsigned lane = w * 32; lane < w * 32 + 32; ++lane) {
        float* const registers = d.at[lane];
        each_register(d.columns, lane, [&](unsigned value, unsigned r) {
            if (as<unsigned>(registers[r]) != ~0u) {
                fail("%s:%d: a register of D of a wgmma was written to before this wait", site.file, site.line);
            }
            registers[r] = d.values[value];
        });
    }
}

// Ends a warp's products whose group lies before `limit`.
inline void release(Warpgroup& group, unsigned warp, unsigned limit, Site site) {
    Issued& mine = issued[warp];
    const unsigned w = warp % 4, before = mine.released;
    for (; mine.released != mine.products; ++mine.released) {
        Product& product = group.products[mine.released - group.first];
        if (product.group >= limit) break;
        finish(product);
        check_registers_kept(product, w, site);
    }
    if (mine.released == before) return;
    mine.fenced = false;
    for (Accumulator& d : group.accumulators) {
        if (d.users >> w & 1 && d.last[w] < mine.released) hand_back(d, w, site);
    }
    group.accumulators.remove_if([](const Accumulator& d) { return d.joined == 15 && !d.users; });
    const auto kept = [&](unsigned other) { return issued[warp - w + other].released > group.first; };
    while (!group.products.empty() && kept(0) && kept(1) && kept(2) && kept(3)) {
        group.products.pop_front();
        ++group.first;
    }
}

// Of the calling thread, which exits.
static void check_products() {
    const Issued& mine = issued[current->warp];
    if (mine.products == mine.released) return;
    const Warpgroup& group = warpgroups[current->warp / 4];
    const Product& product = group.products[mine.released - group.first];
    fail("exits although the wgmma at %s:%d was not committed and waited for", product.site.file, product.site.line);
}

struct Fence {
    static void complete(unsigned, Fence**) { issued[current->warp].fenced = true; }
};
struct Commit {
    static void complete(unsigned, Commit**) { ++issued[current->warp].groups; }
};

// d[64][N] += a[64][16] x b[N][16], a row of d at a time.
template <class Format, unsigned N> RETRIAL_UNCHECKED void multiply(float* d, const unsigned short* a, const unsigned short* b) {
    static float wide_a[64 * 16], wide_b[N * 16], columns[16][N];
    for (unsigned i = 0; i < 64 * 16; ++i) wide_a[i] = Format::to(a[i]);
    for (unsigned i = 0; i < N * 16; ++i) wide_b[i] = Format::to(b[i]);
    for (unsigned n = 0; n < N; ++n) {
        for (unsigned k = 0; k < 16; ++k) columns[k][n] = wide_b[n * 16 + k];
    }
    for (unsigned m = 0; m < 64; ++m) {
        float* const row = d + m * N;
        for (unsigned k = 0; k < 16; ++k) {
            const float factor = wide_a[m * 16 + k];
            for (unsigned n = 0; n < N; ++n) row[n] += factor * columns[k][n];
        }
    }
}

template <class Format, unsigned N, bool FROM_SHARED>
constexpr ProductKind product_kind{N, FROM_SHARED, multiply<Format, N>};

template <class Format, unsigned N, bool FROM_SHARED>
void product(float* d, const unsigned* a, uint64_t a_descriptor, uint64_t b_descriptor, bool accumulate, Site site) {
    static_assert(N % 8 == 0 && N >= 8 && N <= 256, "wgmma has 8, 16, .. 256 columns");
    Call call{&product_kind<Format, N, FROM_SHARED>, d, a, a_descriptor, b_descriptor, accumulate};
    together(~0u, call, site);
}

} // namespace retrial

// wgmma.fence, commit_group and wait_group.sync.aligned.
inline void emulated_wgmma_fence(RETRIAL_SITE) {
    retrial::Fence fence;
    retrial::together(~0u, fence, RETRIAL_HERE);
}
inline void emulated_wgmma_commit(RETRIAL_SITE) {
    retrial::Commit commit;
    retrial::together(~0u, commit, RETRIAL_HERE);
}
inline void emulated_wgmma_wait(int groups_left, RETRIAL_SITE) {
    using namespace retrial;
    if (groups_left < 0 || groups_left > 7) fail("%s:%d: wgmma.wait_group %d; 0 to 7", file, line, groups_left);
    Nothing nothing;
    together(~0u, nothing, RETRIAL_HERE);
    const unsigned warp = current->warp, limit = issued[warp].groups - std::min(issued[warp].groups, unsigned(groups_left));
    Warpgroup& group = warpgroups[warp / 4];
    while (!all_issued(group, issued[warp], limit)) sleep(group.waiting, {describe_products, &group, 0}, RETRIAL_HERE);
    release(group, warp, limit, RETRIAL_HERE);
}

// d += a b, or = where `accumulate` is false: a in registers, b [N, 16] where its descriptor says.
template <int N>
void emulated_wgmma_f16(float (&d)[N / 2], const unsigned (&a)[4], uint64_t b, bool accumulate, RETRIAL_SITE) {
    retrial::product<retrial::Half, N, false>(d, a, 0, b, accumulate, RETRIAL_HERE);
}
template <int N>
void emulated_wgmma_bf16(float (&d)[N / 2], const unsigned (&a)[4], uint64_t b, bool accumulate, RETRIAL_SITE) {
    retrial::product<retrial::Bfloat, N, false>(d, a, 0, b, accumulate, RETRIAL_HERE);
}
// a [64, 16] in shared memory too.
template <int N>
void emulated_wgmma_ss_f16(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate, RETRIAL_SITE) {
    retrial::product<retrial::Half, N, true>(d, nullptr, a, b, accumulate, RETRIAL_HERE);
}
template <int N>
void emulated_wgmma_ss_bf16(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate, RETRIAL_SITE) {
    retrial::product<retrial::Bfloat, N, true>(d, nullptr, a, b, accumulate, RETRIAL_HERE);
}
