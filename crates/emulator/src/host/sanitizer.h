// What the compiler's checks (-fsanitize=bounds,alignment,shift-exponent,integer-divide-by-zero) call when they fail.
// Layouts: compiler-rt/lib/ubsan/ubsan_value.h and ubsan_handlers.h.
#pragma once

namespace retrial {

struct Source {
    const char* file;
    unsigned line, column;
};
struct TypeName {
    uint16_t kind, info;
    char name[1];
};
struct OutOfBounds {
    Source source;
    const TypeName *array, *index;
};
struct Mismatch {
    Source source;
    const TypeName* type;
    unsigned char log_alignment, access;
};
struct Shift {
    Source source;
    const TypeName *value, *amount;
};
struct Division {
    Source source;
    const TypeName* type;
};

} // namespace retrial

extern "C" {

[[noreturn]] void __ubsan_handle_out_of_bounds_abort(retrial::OutOfBounds* check, uintptr_t index) {
    retrial::fail("%s:%u indexes %s with %td", check->source.file, check->source.line, check->array->name, index);
}

[[noreturn]] void __ubsan_handle_type_mismatch_v1_abort(retrial::Mismatch* check, uintptr_t address) {
    retrial::fail("%s:%u accesses %s at %p, which is not a multiple of %u", check->source.file, check->source.line,
                  check->type->name, reinterpret_cast<void*>(address), 1u << check->log_alignment);
}

[[noreturn]] void __ubsan_handle_shift_out_of_bounds_abort(retrial::Shift* check, uintptr_t, uintptr_t amount) {
    retrial::fail("%s:%u shifts %s by %td", check->source.file, check->source.line, check->value->name, amount);
}

[[noreturn]] void __ubsan_handle_divrem_overflow_abort(retrial::Division* check, uintptr_t, uintptr_t) {
    retrial::fail("%s:%u divides by zero", check->source.file, check->source.line);
}

} // extern "C"
