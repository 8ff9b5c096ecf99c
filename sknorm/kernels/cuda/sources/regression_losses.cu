// Losses of regression beside the squared error; their formulas stand in
// sknorm/kernels/reference/regression_losses.py. A slope is the difference itself where that is
// 0 or NaN.
#include "losses.cuh"

template <typename T>
__device__ __forceinline__ T slope_between(T difference, T below, T above) {
    return difference > T(0) ? above : (difference < T(0) ? below : difference);
}

struct AbsoluteError {
    template <typename T>
    static __device__ __forceinline__ T term(T t, T y, T, T &slope) {
        const T difference = t - y;
        slope = slope_between(difference, T(-1), T(1));
        return fabs(difference);
    }
};

struct Huber {
    template <typename T>
    static __device__ __forceinline__ T term(T t, T y, T delta, T &slope) {
        const T difference = t - y;
        slope = difference > delta ? delta : (difference < -delta ? -delta : difference);
        return slope * (difference - T(0.5) * slope);
    }
};

struct Pinball {
    template <typename T>
    static __device__ __forceinline__ T term(T t, T y, T tau, T &slope) {
        const T difference = t - y;
        slope = slope_between(difference, -tau, T(1) - tau);
        return slope * difference;
    }
};

struct Poisson {
    template <typename T>
    static __device__ __forceinline__ T term(T t, T y, T, T &slope) {
        const T mean = exp(t), entropy = y * log(y > T(0) ? y : T(1));
        slope = mean - y;
        return mean - y * t + (entropy - y);
    }
};

struct Gamma {
    template <typename T>
    static __device__ __forceinline__ T term(T t, T y, T, T &slope) {
        const T share = y * exp(-t);
        slope = T(1) - share;
        return t + share - log(y) - T(1);
    }
};
