// What a fiber needs to go on, and how to switch to another.
#pragma once

namespace retrial {

constexpr size_t STACK = 64 << 10;

#if defined(__x86_64__) && !defined(RETRIAL_UCONTEXT)

struct Context {
    void *stack, *instruction, *base;
};

// At its entry, a function finds a return address on top of a stack that is otherwise aligned to 16 bytes.
inline void make_context(Context& context, unsigned char* top, void (*entry)()) {
    memset(top - 8, 0, 8);
    context = {top - 8, reinterpret_cast<void*>(entry), nullptr};
}

// Inline, so that the compiler saves what it needs, and no return address is predicted wrongly.
inline __attribute__((always_inline)) void switch_context(Context& from, Context& to) {
    Context *saved = &from, *loaded = &to;
    asm volatile(
        "leaq 1f(%%rip), %%rax\n\t"
        "movq %%rsp, (%0)\n\t"
        "movq %%rax, 8(%0)\n\t"
        "movq %%rbp, 16(%0)\n\t"
        "movq (%1), %%rsp\n\t"
        "movq 16(%1), %%rbp\n\t"
        "jmpq *8(%1)\n\t"
        "1:"
        : "+D"(saved), "+S"(loaded)
        :
        : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc",
#ifdef __AVX512F__
          "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27",
          "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7",
#endif
          "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
          "xmm13", "xmm14", "xmm15");
}

#elif defined(__aarch64__) && !defined(RETRIAL_UCONTEXT)

using Context = void*;
extern "C" void retrial_switch(Context* from, Context to);
asm(R"(
    .text
    .p2align 4
retrial_switch:
    stp x29, x30, [sp, #-160]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #160
    ret
)");

inline void make_context(Context& context, unsigned char* top, void (*entry)()) {
    void** stack = reinterpret_cast<void**>(top) - 20;
    memset(stack, 0, 160);
    stack[1] = reinterpret_cast<void*>(entry);
    context = stack;
}

inline void switch_context(Context& from, Context& to) { retrial_switch(&from, to); }

#else

} // namespace retrial
#include <ucontext.h>
namespace retrial {

// Any other processor; two system calls a switch.
using Context = ucontext_t;

inline void make_context(Context& context, unsigned char* top, void (*entry)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = top - STACK / 2;
    context.uc_stack.ss_size = STACK / 2;
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
}

inline void switch_context(Context& from, Context& to) { swapcontext(&from, &to); }

#endif

} // namespace retrial
