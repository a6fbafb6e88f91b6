// Products that wgmma began. One is done as late as the rules allow: by the first wait of a warp for its group, which
// is when its operands are read. A wait tells a warp of its own share alone: operands must not change before all four
// warps have waited, and each finds its registers of D poisoned until its own wait, and must leave them and those of A
// alone. So a mistake about when a product is done shows in every order.
#pragma once

namespace retrial {

constexpr unsigned LANES = 128; // of a warpgroup

// A variant of the instruction.
struct ProductKind {
    unsigned columns;
    bool from_shared; // A

    // [64][n] += [64][16] x [n][16]
    void (*multiply)(float* d, const unsigned short* a, const unsigned short* b);
};

// D while products of it are under way, in place of the registers of the warps of `users`.
struct Accumulator {
    unsigned columns, joined, users; // bits of warps
    unsigned last[4];                // product of each warp
    float* at[LANES];
    std::vector<float> values; // [64][columns]
};

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

struct Product {
    Call call;             // as each warp's first lane brought it, but for the registers
    unsigned group, warps; // `warps` have issued it
    bool done;
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
    std::vector<float>& d = product.d->values;
    if (!product.call.accumulate) std::fill(d.begin(), d.end(), 0.0f);
    const auto a = product.call.kind->from_shared ? product.a.seen : unpack(product);
    product.call.kind->multiply(d.data(), a.data(), product.b.seen.data());
}

// That no product reads these bytes for which a warp has yet to wait, said as `what`, which writes them.
static void check_unread(const Range& range, const char* what, Site site) {
    for (const Warpgroup& group : warpgroups) {
        for (const Product& product : group.products) {
            for (const Operand* operand : {&product.a, &product.b}) {
                for (const Range& read : operand->ranges) {
                    if (!range.overlaps(read)) continue;
                    fail_at(site, "%s bytes that the wgmma at %s:%d has yet to read: the stage is overrun", what,
                            product.site.file, product.site.line);
                }
            }
        }
    }
}

// The accumulator that stands for a lane's registers, or null.
inline Accumulator* in_use(Warpgroup& group, unsigned lane, const Call& call, Site site) {
    for (Accumulator& d : group.accumulators) {
        if (!(d.users >> lane / 32 & 1) || call.d >= d.at[lane] + d.columns / 2) continue;
        if (call.d + call.kind->columns / 2 <= d.at[lane]) continue;
        if (call.d == d.at[lane] && call.kind->columns == d.columns) return &d;
        fail_at(site, "registers of D of a wgmma of another shape that is under way");
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

// The product that a warp issues now, which the first warp to do so begins. `used`, or null, stands for its registers.
inline Product& issue(Warpgroup& group, Issued& warp, const Call& call, Accumulator* used, Site site) {
    const unsigned at = warp.products++ - group.first;
    if (at < group.products.size()) return group.products[at];
    if (!used) {
        group.accumulators.push_back({call.kind->columns, 0, 0, {}, {}, std::vector<float>(64 * call.kind->columns)});
        used = &group.accumulators.back();
    }
    group.products.emplace_back();
    Product& product = group.products.back();
    product.call = call;
    product.group = warp.groups;
    product.site = site;
    product.d = used;
    product.b = read_operand("B", call.b_descriptor, call.kind->columns, site);
    if (call.kind->from_shared) product.a = read_operand("A", call.a_descriptor, 64, site);
    return product;
}

inline void Call::complete(unsigned, Call** lanes) {
    const Call& call = *lanes[0];
    const Site site = current->site;
    const unsigned warp = current->warp, w = warp % 4;
    Warpgroup& group = warpgroups[warp / 4];
    Issued& mine = issued[warp];
    const auto other = [&](const Call* lane) { return *lane != call; };
    if (std::any_of(lanes, lanes + 32, other)) fail_at(site, "lanes of a warp issue different wgmmas");
    if (warp % MAX_WARPS / 4 * 4 + 4 > warp_count) fail_at(site, "wgmma by less than 4 warps");
    Accumulator* const used = in_use(group, w * 32, call, site);
    if (!used && !mine.fenced) fail_at(site, "wgmma with no wgmma.fence since registers of D were last the thread's");

    Product& product = issue(group, mine, call, used, site);
    const bool same_registers = used ? used == product.d : !(product.d->joined >> w & 1);
    if (product.call != call || product.group != mine.groups || !same_registers) {
        fail_at(site,
                "warp %u issues another wgmma than others of its warpgroup at %s:%d, or into other registers or "
                "another group",
                warp % MAX_WARPS, product.site.file, product.site.line);
    }
    if (!used) join(*product.d, w, lanes);
    product.d->last[w] = mine.products - 1;
    for (unsigned l = 0; l < 32 && call.a; ++l) {
        product.a_at[w * 32 + l] = lanes[l]->a;
        memcpy(product.a_registers[w * 32 + l], lanes[l]->a, sizeof *product.a_registers);
    }
    product.warps |= 1u << w;
    if (product.warps == 15) wake(group.waiting);
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
        return text.add("the wgmma at %s:%d, which only the warps 0x%x of their warpgroup have issued",
                        product.site.file, product.site.line, product.warps);
    }
}

// That the operands of a product, and the registers of a warp that waits for it, are what they were.
inline void check_kept(const Product& product, unsigned w, Site site) {
    check_unchanged("B", product.b, product.site);
    if (product.call.kind->from_shared) check_unchanged("A", product.a, product.site);
    for (unsigned lane = w * 32; lane < w * 32 + 32; ++lane) {
        if (!product.call.kind->from_shared &&
            memcmp(product.a_at[lane], product.a_registers[lane], sizeof *product.a_registers)) {
            fail_at(site, "the registers of A of the wgmma at %s:%d were written to before this wait",
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
                fail_at(site, "a register of D of a wgmma was written to before this wait");
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
        check_kept(product, w, site);
        finish(product);
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

} // namespace retrial
