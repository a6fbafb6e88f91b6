// mma.sync.aligned.m16n8k16.row.col.f32 (PTX ISA, "Matrix Fragments for mma.m16n8k16"). Each element of D adds its
// products to C one by one in f32, k ascending; a tensor core rounds otherwise.
#pragma once

// The compiler's checks would keep these loops from becoming vector instructions.
#define RETRIAL_UNCHECKED __attribute__((no_sanitize("bounds", "alignment", "shift-exponent")))

namespace retrial {

template <class Format> struct Mma {
    float* d;
    const unsigned *a, *b;
    RETRIAL_UNCHECKED static void complete(unsigned, Mma** lanes) {
        // Pairs of k lie side by side in a register: A as [m][k], B as [n][k].
        unsigned pairs[16 * 8 + 8 * 8];
        unsigned short narrow[2 * 192];
        float wide[2 * 192], b[16][8], d[16][8];
        for (unsigned l = 0; l < 32; ++l) {
            const unsigned row = l / 4, pair = l % 4;
            for (unsigned r = 0; r < 4; ++r) {
                pairs[(row + r % 2 * 8) * 8 + pair + r / 2 * 4] = lanes[l]->a[r];
                d[row + r / 2 * 8][pair * 2 + r % 2] = lanes[l]->d[r];
            }
            for (unsigned r = 0; r < 2; ++r) pairs[128 + row * 8 + pair + r * 4] = lanes[l]->b[r];
        }
        memcpy(narrow, pairs, sizeof pairs);
        for (unsigned i = 0; i < 384; ++i) wide[i] = Format::to(narrow[i]);
        for (unsigned k = 0; k < 16; ++k) {
            for (unsigned n = 0; n < 8; ++n) b[k][n] = wide[256 + n * 16 + k];
        }
        for (unsigned m = 0; m < 16; ++m) {
            for (unsigned k = 0; k < 16; ++k) {
                for (unsigned n = 0; n < 8; ++n) d[m][n] += wide[m * 16 + k] * b[k][n];
            }
        }
        for (unsigned l = 0; l < 32; ++l) {
            for (unsigned r = 0; r < 4; ++r) lanes[l]->d[r] = d[l / 4 + r / 2 * 8][l % 4 * 2 + r % 2];
        }
    }
};

} // namespace retrial

inline void emulated_mma_m16n8k16_f16(float d[4], const unsigned a[4], const unsigned b[2], RETRIAL_SITE) {
    retrial::Mma<retrial::Half> operation{d, a, b};
    retrial::together(~0u, operation, RETRIAL_HERE);
}
inline void emulated_mma_m16n8k16_bf16(float d[4], const unsigned a[4], const unsigned b[2], RETRIAL_SITE) {
    retrial::Mma<retrial::Bfloat> operation{d, a, b};
    retrial::together(~0u, operation, RETRIAL_HERE);
}
