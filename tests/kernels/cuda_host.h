// Stands in for CUDA on the host, so that kernels run in tests without a device.
//
// The threads of a block are fibers that run one after the other, each until it waits for others:
// at barriers and at exchanges within a warp. The order in which they run can be chosen, so that
// a missing barrier shows as a difference between two orders. Blocks run one after the other.
// This header goes in front of a kernel's source; cuda_host.cpp has the scheduler.
#pragma once

#include <math.h>
#include <string.h>

#include <tuple>
#include <type_traits>
#include <utility>

#define SKN_HOST 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __shared__ static
#define SKN_DYNAMIC_SHARED(type, name) type *name = static_cast<type *>(host::dynamic_shared())

struct dim3 {
    unsigned int x = 1, y = 1, z = 1;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) double2 {
    double x, y;
};
struct alignas(8) int2 {
    int x, y;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
struct alignas(16) uint4 {
    unsigned int x, y, z, w;
};

extern dim3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

// The linker's names for the ends of the static variables without a value, which are those in
// shared memory: each block finds them full of NaN.
extern "C" {
#pragma GCC visibility push(hidden)
extern unsigned char __bss_start[], _end[];
#pragma GCC visibility pop
}

namespace host {
struct Launch {
    unsigned int grid[3], block[3], shared_bytes, order, seed;
};
// Memory from one address to another.
struct Span {
    unsigned char *begin, *end;
};
// Run a grid; what went wrong, or null.
const char *run(void (*body)(void **), void **arguments, const Launch &launch, Span shared);
// Wait for all threads of the block.
void block_barrier();
// Give 8 bytes, wait for all lanes of the warp, take those of lane `source`.
void exchange(unsigned int mask, const void *given, void *taken, int bytes, int source);
void *dynamic_shared();
// End the launch with an error.
[[noreturn]] void fail(const char *message);

inline int lane() {
    return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % warpSize;
}

template <typename T>
T shuffle(unsigned int mask, T value, int source) {
    static_assert(sizeof(T) <= 8, "lanes exchange at most 8 bytes");
    T taken;
    exchange(mask, &value, &taken, sizeof(T), source);
    return taken;
}
}  // namespace host

inline int __clz(int number) { return number ? __builtin_clz(number) : 32; }
inline int __ffs(int number) { return __builtin_ffs(number); }
inline void __syncthreads() { host::block_barrier(); }
inline void __syncwarp(unsigned int mask = 0xFFFFFFFFu) { host::shuffle(mask, 0, host::lane()); }
inline void __threadfence() {}
inline void __threadfence_block() {}

// Lanes beyond the group of `width` lanes give their own value, as on the device.
template <typename T>
T __shfl_sync(unsigned int mask, T value, int source, int width = 32) {
    return host::shuffle(mask, value, host::lane() / width * width + source % width);
}
template <typename T>
T __shfl_xor_sync(unsigned int mask, T value, int change, int width = 32) {
    const int source = host::lane() ^ change, end = (host::lane() / width + 1) * width;
    return host::shuffle(mask, value, source < end ? source : host::lane());
}
template <typename T>
T __shfl_down_sync(unsigned int mask, T value, unsigned int delta, int width = 32) {
    const int source = host::lane() + delta, end = (host::lane() / width + 1) * width;
    return host::shuffle(mask, value, source < end ? source : host::lane());
}
template <typename T>
T __shfl_up_sync(unsigned int mask, T value, unsigned int delta, int width = 32) {
    const int source = host::lane() - static_cast<int>(delta);
    const int begin = host::lane() / width * width;
    return host::shuffle(mask, value, source >= begin ? source : host::lane());
}
inline unsigned int __ballot_sync(unsigned int mask, int predicate) {
    unsigned int bits = predicate != 0 ? 1u << host::lane() : 0u;
    for (int change = 16; change > 0; change /= 2) bits |= __shfl_xor_sync(mask, bits, change);
    return bits;
}
inline int __any_sync(unsigned int mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned int mask, int predicate) {
    return __ballot_sync(mask, predicate) == 0xFFFFFFFFu;
}
inline int __syncthreads_or(int predicate) {
    static int any;
    host::block_barrier();
    any = 0;
    host::block_barrier();
    any |= predicate != 0;
    host::block_barrier();
    return any;
}

// Addresses that are not aligned are errors on the device.
template <typename P>
P *aligned(P *address) {
    if (reinterpret_cast<unsigned long long>(address) % alignof(P)) {
        host::fail("misaligned address");
    }
    return address;
}
template <typename T>
T __ldg(const T *from) { return *aligned(from); }
template <typename T>
T __ldcg(const T *from) { return *aligned(from); }
template <typename T>
T __ldcs(const T *from) { return *aligned(from); }
template <typename T>
void __stcs(T *to, T value) { *aligned(to) = value; }
template <typename T>
void __stcg(T *to, T value) { *aligned(to) = value; }

inline unsigned int atomicAdd(unsigned int *at, unsigned int value) {
    const unsigned int before = *at;
    *at += value;
    return before;
}
inline unsigned int atomicInc(unsigned int *at, unsigned int last) {
    const unsigned int before = *at;
    *at = before >= last ? 0u : before + 1u;
    return before;
}

inline float rsqrt(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline double cospi(double x) { return cos(3.14159265358979323846 * x); }
inline float __expf(float x) { return expf(x); }
inline int min(int a, int b) { return b < a ? b : a; }
inline int max(int a, int b) { return a < b ? b : a; }
inline unsigned int min(unsigned int a, unsigned int b) { return b < a ? b : a; }
inline unsigned int max(unsigned int a, unsigned int b) { return a < b ? b : a; }
inline long long min(long long a, long long b) { return b < a ? b : a; }
inline long long max(long long a, long long b) { return a < b ? b : a; }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

namespace host {
// Kinds of arguments as the runtime calls them; pointers by what they point to.
template <typename T>
const char *kind() {
    if constexpr (std::is_pointer_v<T>) {
        using V = std::remove_const_t<std::remove_pointer_t<T>>;
        if constexpr (std::is_same_v<V, float>) return "*f4";
        if constexpr (std::is_same_v<V, double>) return "*f8";
        if constexpr (std::is_same_v<V, long long>) return "*i8";
        if constexpr (std::is_same_v<V, int>) return "*i4";
        if constexpr (std::is_same_v<V, unsigned int>) return "*u4";
        if constexpr (std::is_same_v<V, bool>) return "*b1";
    }
    if constexpr (std::is_same_v<T, long long>) return "i8";
    if constexpr (std::is_same_v<T, double>) return "f8";
    if constexpr (std::is_same_v<T, unsigned int>) return "u4";
    return "an unknown kind";
}

template <auto kernel, typename... Types, size_t... I>
const char *start(
    void (*)(Types...), std::index_sequence<I...>, const char **kinds, int count,
    void **arguments, const Launch &launch) {
    if (count != sizeof...(Types)) return "the kernel takes another number of arguments";
    const char *wanted[] = {kind<std::remove_const_t<Types>>()...};
    for (int i = 0; i < count; ++i) {
        if (strcmp(wanted[i], kinds[i]) == 0) continue;
        const bool zero = strcmp(kinds[i], "i8") == 0 && *static_cast<long long *>(arguments[i]) == 0;
        if (zero && wanted[i][0] == '*') continue;  // a null pointer
        static char message[200];
        strcpy(message, "argument ");
        message[9] = '0' + i / 10, message[10] = '0' + i % 10, message[11] = 0;
        strcat(strcat(strcat(strcat(message, " is "), kinds[i]), ", the kernel takes "), wanted[i]);
        return message;
    }
    const auto body = [](void **a) {
        kernel(*static_cast<std::remove_const_t<Types> *>(a[I])...);
    };
    return run(body, arguments, launch, {__bss_start, _end});
}

template <auto kernel, typename... Types>
const char *start(
    void (*pointer)(Types...), const char **kinds, int count, void **arguments,
    const Launch &launch) {
    return start<kernel>(
        pointer, std::index_sequence_for<Types...>{}, kinds, count, arguments, launch);
}
}  // namespace host
