// Activation functions and their derivatives with respect to the input, at a kink that from the
// left; the formulas stand in sknorm/kernels/reference/activations.py. NaN stays NaN as there.
#include "common.cuh"

template <typename T>
__device__ __forceinline__ T logistic(T x) {
    const T e = exp(-fabs(x));
    return (x >= T(0) ? T(1) : e) / (T(1) + e);
}

template <typename T>
__device__ __forceinline__ T logistic_slope(T x) {
    const T e = exp(-fabs(x));
    return e / ((T(1) + e) * (T(1) + e));
}

// The distribution function of the normal distribution, with all digits on the left.
template <typename T>
__device__ __forceinline__ T normal_distribution(T x) {
    return T(0.5) * erfc(T(-0.70710678118654752440) * x);
}

template <typename T>
__device__ __forceinline__ T gelu_slope(T x) {
    // The density is zero in float64 beyond 40, where the square of x may overflow.
    const T near = x < T(-40) ? T(-40) : (x > T(40) ? T(40) : x);
    const T density = T(0.39894228040143267794) * exp(T(-0.5) * near * near);
    return normal_distribution(x) + near * density;
}

// tanh(log(1 + e^x)), rational in the exponential that cannot overflow.
template <typename T>
__device__ __forceinline__ T tanh_softplus(T x) {
    const T e = exp(-fabs(x));
    const bool right = x >= T(0);
    const T numerator = right ? T(1) + T(2) * e : e * (e + T(2));
    return numerator / (numerator + (right ? T(2) * (e * e) : T(2)));
}

template <typename T>
__device__ __forceinline__ T mish_slope(T x) {
    const T e = exp(-fabs(x));
    const bool right = x >= T(0);
    const T numerator = T(2) * (T(1) + e) * (right ? e : T(1));
    const T other = right ? T(1) + T(2) * e : e * (e + T(2));
    const T denominator = other + (right ? T(2) * (e * e) : T(2));
    const T root = numerator / denominator;
    return other / denominator + x * ((right ? T(1) : e) / (T(1) + e)) * (root * root);
}

template <int ACTIVATION, typename T>
__device__ __forceinline__ T activate(T x) {
    if constexpr (ACTIVATION == codes::LOGISTIC) {
        return logistic(x);
    } else if constexpr (ACTIVATION == codes::TANH) {
        return tanh(x);
    } else if constexpr (ACTIVATION == codes::RELU) {
        return x <= T(0) ? T(0) : x;
    } else if constexpr (ACTIVATION == codes::LEAKY_RELU) {
        return x > T(0) ? x : T(codes::LEAKY_SLOPE) * x;
    } else if constexpr (ACTIVATION == codes::ELU) {
        return x > T(0) ? x : expm1(x);
    } else if constexpr (ACTIVATION == codes::SELU) {
        return T(codes::SELU_SCALE) * (x > T(0) ? x : T(codes::SELU_ALPHA) * expm1(x));
    } else if constexpr (ACTIVATION == codes::GELU) {
        return x * normal_distribution(x);
    } else if constexpr (ACTIVATION == codes::SILU) {
        return x * logistic(x);
    } else if constexpr (ACTIVATION == codes::MISH) {
        return x * tanh_softplus(x);
    } else {
        static_assert(ACTIVATION == codes::IDENTITY, "an activation without code");
        return x;
    }
}

template <int ACTIVATION, typename T>
__device__ __forceinline__ T derivative(T x) {
    if constexpr (ACTIVATION == codes::LOGISTIC) {
        return logistic_slope(x);
    } else if constexpr (ACTIVATION == codes::TANH) {
        const T t = tanh(x);
        return T(1) - t * t;
    } else if constexpr (ACTIVATION == codes::RELU) {
        return x > T(0) ? T(1) : T(0);
    } else if constexpr (ACTIVATION == codes::LEAKY_RELU) {
        return x > T(0) ? T(1) : T(codes::LEAKY_SLOPE);
    } else if constexpr (ACTIVATION == codes::ELU) {
        return x > T(0) ? T(1) : exp(x);
    } else if constexpr (ACTIVATION == codes::SELU) {
        return T(codes::SELU_SCALE) * (x > T(0) ? T(1) : T(codes::SELU_ALPHA) * exp(x));
    } else if constexpr (ACTIVATION == codes::GELU) {
        return gelu_slope(x);
    } else if constexpr (ACTIVATION == codes::SILU) {
        return logistic(x) + x * logistic_slope(x);
    } else if constexpr (ACTIVATION == codes::MISH) {
        return mish_slope(x);
    } else {
        static_assert(ACTIVATION == codes::IDENTITY, "an activation without code");
        return T(1);
    }
}
