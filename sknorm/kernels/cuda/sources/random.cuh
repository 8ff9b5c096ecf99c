// Counter-based random bits; the formulas stand in sknorm/kernels/reference/random.py.
#include "common.cuh"

constexpr unsigned int GOLDEN = 0x9E3779B9u;
constexpr unsigned int ANGLE_LAYER = 0x40000000u;  // added to the layer of the first of two words

struct Keys {
    unsigned int early, late;
};

__device__ __forceinline__ unsigned int mix(unsigned int x) {
    x = (x ^ (x >> 16)) * 0x21F0AAADu;
    x = (x ^ (x >> 15)) * 0x735A2D97u;
    return x ^ (x >> 15);
}

__device__ __forceinline__ Keys member_keys(
    unsigned int seed, unsigned int step, unsigned int layer) {
    const unsigned int b = mix(mix(seed + GOLDEN) ^ step);
    const unsigned int early = mix(b ^ (layer * 0x85EBCA6Bu + 0xC2B2AE35u));
    return {early, mix(early + GOLDEN)};
}

// 32 random bits of element i * d + j, modulo 2^32.
__device__ __forceinline__ unsigned int random_bits(Keys keys, unsigned int element) {
    unsigned int x = element ^ keys.early;
    x = ((x ^ (x >> 16)) * 0x21F0AAADu) ^ keys.late;
    x = (x ^ (x >> 15)) * 0x735A2D97u;
    return x ^ (x >> 15);
}

// Inverted dropout of one member in one layer of one step.
template <typename T>
struct Dropout {
    Keys keys;
    unsigned int threshold;
    T scale;

    __device__ __forceinline__ Dropout(
        double rate, unsigned int seed, unsigned int step, unsigned int layer)
        : keys{0u, 0u},
          threshold(static_cast<unsigned int>(rate * 4294967296.0)),
          scale(static_cast<T>(1.0 / (1.0 - rate))) {
        if (active()) keys = member_keys(seed, step, layer);
    }

    // Whether anything can be dropped; the same for all threads of a member.
    __device__ __forceinline__ bool active() const { return threshold != 0u; }

    // Whether an element stays, where anything can be dropped.
    __device__ __forceinline__ bool keeps(unsigned int element) const {
        return random_bits(keys, element) >= threshold;
    }

    // A dropped value is 0 even where x is not finite.
    __device__ __forceinline__ T operator()(T x, unsigned int element) const {
        if (!active()) return x * scale;
        return keeps(element) ? x * scale : T(0);
    }
};

// A standard normal number of element i * d + j, by the Box-Muller transform.
struct Normal {
    Keys radius, angle;

    __device__ __forceinline__ Normal(unsigned int seed, unsigned int step, unsigned int layer)
        : radius(member_keys(seed, step, layer)),
          angle(member_keys(seed, step, layer + ANGLE_LAYER)) {}

    __device__ __forceinline__ double operator()(unsigned int element) const {
        constexpr double unit = 1.0 / 4294967296.0;
        const double share = (random_bits(radius, element) + 1.0) * unit;
        const double turns = random_bits(angle, element) * unit;
        return sqrt(-2.0 * log(share)) * cospi(2.0 * turns);
    }
};
