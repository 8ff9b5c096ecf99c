// What all kernels share: accesses of 16 bytes, and dynamic shared memory.
//
// The sources are compiled by NVRTC, which has no headers of the C++ library; the tests compile
// the same text for the host, behind a header that stands in for CUDA (SKN_HOST).

#ifndef SKN_HOST
#define SKN_DYNAMIC_SHARED(type, name)                                  \
    extern __shared__ __align__(16) unsigned char skn_dynamic_shared[]; \
    type *name = reinterpret_cast<type *>(skn_dynamic_shared)

// An address as it is; the host's stand-in sees to it that it is a multiple of the access.
template <typename P>
__device__ __forceinline__ P *aligned(P *address) {
    return address;
}
#endif

constexpr int WARP = 32;
constexpr unsigned int ALL_LANES = 0xFFFFFFFFu;

// W values that are loaded and stored at once; W * sizeof(T) is at most 16, and a power of two.
template <typename T, int W>
struct alignas(sizeof(T) * W) Pack {
    T v[W];
};

template <int W, typename T>
__device__ __forceinline__ Pack<T, W> load(const T *from) {
    return *aligned(reinterpret_cast<const Pack<T, W> *>(from));
}

template <int W, typename T>
__device__ __forceinline__ void store(T *to, const Pack<T, W> &pack) {
    *aligned(reinterpret_cast<Pack<T, W> *>(to)) = pack;
}

__device__ __forceinline__ long long smaller(long long a, long long b) { return a < b ? a : b; }

__device__ __forceinline__ long long larger(long long a, long long b) { return a < b ? b : a; }

// A number that a launch was given by value, or where it stands.
template <typename N>
__device__ __forceinline__ N given(N number, const N *place) {
    return place == nullptr ? number : *place;
}
