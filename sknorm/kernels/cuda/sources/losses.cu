// Log losses and squared error; their formulas stand in sknorm/kernels/reference/losses.py.
#include "activations.cuh"
#include "losses.cuh"

struct BinaryLogLoss {
    template <typename T>
    static __device__ __forceinline__ T term(T t, T y, T smoothing, T &slope) {
        const T target = (T(1) - smoothing) * y + T(0.5) * smoothing;
        slope = logistic(t) - target;
        return log1p(exp(-fabs(t))) + (t > T(0) ? t : T(0)) - target * t;
    }
};

struct SquaredError {
    template <typename T>
    static __device__ __forceinline__ T term(T t, T y, T, T &slope) {
        slope = t - y;
        return T(0.5) * slope * slope;
    }
};

// A row's targets before they are smoothed: of a class, or a distribution over the classes.
template <typename T>
struct ClassTargets {
    int label;
    __device__ __forceinline__ T operator()(int j) const { return label == j ? T(1) : T(0); }
};

template <typename T>
struct ShareTargets {
    const T *shares;
    __device__ __forceinline__ T operator()(int j) const { return shares[j]; }
};

template <typename T>
__device__ __forceinline__ ClassTargets<T> targets_of(const long long *y, long long row, int) {
    return {static_cast<int>(y[row])};
}

template <typename T>
__device__ __forceinline__ ShareTargets<T> targets_of(const T *y, long long row, int o) {
    return {y + row * o};
}

// The smoothed target (1 - s) y + s / o.
template <typename T>
struct Smoothing {
    T sharp, even;

    __device__ __forceinline__ Smoothing(double smoothing, long long o)
        : sharp(T(1) - static_cast<T>(smoothing)),
          even(static_cast<T>(smoothing) / static_cast<T>(o)) {}

    __device__ __forceinline__ T operator()(T target) const { return sharp * target + even; }
};

// NaN may get lost: the exponential of its difference from anything does not.
template <typename T>
__device__ __forceinline__ T team_max(T value, int lanes) {
    for (int step = lanes / 2; step > 0; step /= 2) {
        const T other = __shfl_xor_sync(ALL_LANES, value, step);
        value = other > value ? other : value;
    }
    return value;
}

// Log loss of the softmax of at most lanes * VALUES logits, with classes (Y is long long) or
// distributions (Y is T): a team per row, whose logits are in its registers. A block's logits are
// fewer than 2^31.
template <typename T, typename Y, int VALUES>
__global__ void __launch_bounds__(256, 2) softmax(
    const T *z, const T *bias, const Y *y, const T *weight, const double *factor,
    const double *parameter, double *value, T *dbias, T *out, long long n, long long classes,
    long long y_step, long long weight_step, long long rows, long long lanes, long long follows,
    double *partials, unsigned int *counters) {
    const int team_lanes = VALUES > 1 ? WARP : static_cast<int>(lanes);
    const int lane = threadIdx.x % team_lanes, team = threadIdx.x / team_lanes;
    const int teams = LOSS_THREADS / team_lanes, o = static_cast<int>(classes);
    const long long k = blockIdx.z, first = blockIdx.x * rows;
    const int stop = static_cast<int>(smaller(n - first, rows));
    const T step = static_cast<T>(factor[k]);
    const Smoothing<T> smoothed(parameter[k], o);
    // Lanes beyond the last column take it too, which does not change the largest logit.
    const int column = min(lane, o - 1);
    z += (k * n + first) * o + column;
    bias += k * o + column;
    out += (k * n + first) * o + lane;
    y += k * y_step;
    weight += k * weight_step + first;
    double loss = 0.0, sums[VALUES];
#pragma unroll
    for (int v = 0; v < VALUES; ++v) sums[v] = 0.0;
    // All teams go round equally often, as they exchange values within warps.
    for (int start = 0; start < stop; start += teams) {
        const int row = min(start + team, stop - 1);
        const bool exists = start + team < stop;
        const auto target = targets_of<T>(y, first + row, o);
        T t[VALUES];
#pragma unroll
        for (int v = 0; v < VALUES; ++v) {
            const bool inside = exists && (v == 0 || lane + v * WARP < o);
            t[v] = inside ? z[row * o + v * WARP] + bias[v * WARP] : (v == 0 ? T(0) : t[0]);
        }
        T highest = t[0];
#pragma unroll
        for (int v = 1; v < VALUES; ++v) highest = t[v] > highest ? t[v] : highest;
        highest = team_max(highest, team_lanes);
        T partition = T(0), expected = T(0);
#pragma unroll
        for (int v = 0; v < VALUES; ++v) {
            const int j = lane + v * WARP;
            const T shifted = t[v] - highest;
            t[v] = T(0);
            if (j >= o) continue;
            t[v] = exp(shifted);
            expected += smoothed(target(j)) * shifted;
            partition += t[v];
        }
        T both[2] = {partition, expected};
        team_sums(both, team_lanes);
        if (!exists) continue;
        const T w = weight[row], scale = step * w, inverse = T(1) / both[0];
        if (lane == 0) {
            loss += static_cast<double>(w) * static_cast<double>(log(both[0]) - both[1]);
        }
#pragma unroll
        for (int v = 0; v < VALUES; ++v) {
            const int j = lane + v * WARP;
            if (j >= o) continue;
            const T gradient = scale * (t[v] * inverse - smoothed(target(j)));
            sums[v] += static_cast<double>(gradient);
            out[row * o + v * WARP] = gradient;
        }
    }
    const LossResults<T> results(dbias, value, partials, o, gridDim.x, 1, k);
    contribute(results, loss, sums, team_lanes, follows != 0, counters);
}

template <typename T>
__device__ __forceinline__ T block_max(T value) {
    __shared__ T partials[LOSS_WARPS];
    value = warp_max(value);
    if (threadIdx.x % WARP == 0) partials[threadIdx.x / WARP] = value;
    __syncthreads();
    value = warp_max(partials[threadIdx.x % LOSS_WARPS]);
    __syncthreads();
    return value;
}

// The same for at least as many logits as threads: the block takes row after row. The sums of the
// columns and the row's exponentials are in shared memory, or in `partials` and `out` where they
// do not fit. A thread reads and writes every 256th column only.
template <typename T, typename Y>
__global__ void __launch_bounds__(256, 2) wide_softmax(
    const T *z, const T *bias, const Y *y, const T *weight, const double *factor,
    const double *parameter, double *value, T *dbias, T *out, long long n, long long classes,
    long long y_step, long long weight_step, long long rows, long long fits, long long follows,
    double *partials, unsigned int *counters) {
    SKN_DYNAMIC_SHARED(double, shared);
    const int o = static_cast<int>(classes);
    const long long k = blockIdx.z, first = blockIdx.x * rows, stop = smaller(n, first + rows);
    const LossResults<T> results(dbias, value, partials, o, gridDim.x, 1, k);
    double *contribution = results.sums + blockIdx.x * classes;
    double *sums = fits != 0 ? shared : contribution;
    const T step = static_cast<T>(factor[k]);
    const Smoothing<T> smoothed(parameter[k], o);
    bias += k * o;
    double loss = 0.0;
    for (int j = threadIdx.x; j < o; j += LOSS_THREADS) sums[j] = 0.0;
    for (long long row = first; row < stop; ++row) {
        const T *logits = z + (k * n + row) * o;
        const auto target = targets_of<T>(y + k * y_step, row, o);
        T *gradients = out + (k * n + row) * o;
        T *held = fits != 0 ? reinterpret_cast<T *>(shared + o) : gradients;
        T highest = logits[threadIdx.x] + bias[threadIdx.x];
        for (int j = threadIdx.x; j < o; j += LOSS_THREADS) {
            const T t = logits[j] + bias[j];
            highest = t > highest ? t : highest;
            held[j] = t;
        }
        highest = block_max(highest);
        T both[2] = {T(0), T(0)};  // the partition function, and the mean under the targets
        for (int j = threadIdx.x; j < o; j += LOSS_THREADS) {
            const T shifted = held[j] - highest, share = exp(shifted);
            both[0] += share;
            both[1] += smoothed(target(j)) * shifted;
            held[j] = share;
        }
        block_sums(both);
        const T w = weight[k * weight_step + row], scale = step * w, inverse = T(1) / both[0];
        loss += static_cast<double>(w) * static_cast<double>(log(both[0]) - both[1]);
        for (int j = threadIdx.x; j < o; j += LOSS_THREADS) {
            const T gradient = scale * (held[j] * inverse - smoothed(target(j)));
            sums[j] += static_cast<double>(gradient);
            gradients[j] = gradient;
        }
    }
    if (fits != 0) {
        for (int j = threadIdx.x; j < o; j += LOSS_THREADS) contribution[j] = sums[j];
    }
    if (threadIdx.x == 0) results.losses[blockIdx.x] = loss;
    finish(results, WARP, follows != 0, counters);
}
