// Optimizer steps on flat buffers; sknorm/kernels/reference/steps.py has their formulas.
//
// A parameter's values of one member, a run of the buffer, are cut into chunks that one block takes
// at once, each thread W values. The chunks of all parameters of a member form one sequence, which
// the blocks of a grid share out; the members lie along the grid's second axis. A thread takes W
// neighbours at once if runs of that parameter begin at multiples of W for every member of every
// stack, and else values that are a block's threads apart. Which thread takes a value, and so the
// order of a sum, does not depend on the stack.
#include "reduce.cuh"

constexpr int STEP_THREADS = 256;
// Blocks that a multiprocessor should have room for. Without a number the compiler spills some
// registers to make room for more; 128 bytes a thread in flight need no more.
template <typename T>
constexpr int RESIDENT = sizeof(T) == 4 ? 4 : 3;
constexpr int FIELDS = 5;  // of a parameter: offset, size, penalty, first chunk, apart or not

// W values of one thread, the first of which is the buffer's value `first`. Where they are apart,
// `count` of them are the run's.
struct Place {
    long long first;
    int apart, count, penalty;
};

template <int W, typename T>
__device__ __forceinline__ Pack<T, W> load_run(const T *from, const Place &at) {
    from += at.first;
    if (!at.apart) return load<W>(from);
    Pack<T, W> pack;
#pragma unroll
    for (int w = 0; w < W; ++w) pack.v[w] = w < at.count ? from[w * STEP_THREADS] : T(0);
    return pack;
}

template <int W, typename T>
__device__ __forceinline__ void store_run(T *to, const Place &at, const Pack<T, W> &pack) {
    to += at.first;
    if (!at.apart) return store<W>(to, pack);
#pragma unroll
    for (int w = 0; w < W; ++w) {
        if (w < at.count) to[w * STEP_THREADS] = pack.v[w];
    }
}

// Calls body(place) for all values of member k that the block's threads take.
template <int W, typename Body>
__device__ __forceinline__ void for_chunks(
    const long long *table, long long parameters, long long chunks, long long k, Body body) {
    long long s = 0;
    for (long long chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
        while (s + 1 < parameters && table[(s + 1) * FIELDS + 3] <= chunk) ++s;
        const long long *row = table + s * FIELDS;
        const int apart = static_cast<int>(row[4]);
        const long long inside = (chunk - row[3]) * (STEP_THREADS * W) +
            static_cast<int>(apart ? threadIdx.x : threadIdx.x * W);
        if (inside >= row[1]) continue;
        const long long left = min(row[1] - inside, static_cast<long long>(STEP_THREADS * W));
        const int count = (static_cast<int>(left) + STEP_THREADS - 1) / STEP_THREADS;
        body(Place{row[0] + k * row[1] + inside, apart, count, static_cast<int>(row[2])});
    }
}

// The proximal operator of threshold * |w|; NaN stays NaN.
template <typename T>
__device__ __forceinline__ T soft(T w, T threshold) {
    const T shrunk = w > T(0) ? w - threshold : w + threshold;
    return fabs(w) <= threshold ? T(0) : shrunk;
}

// The proximal operator of threshold * [w != 0]; NaN stays NaN.
template <typename T>
__device__ __forceinline__ T hard(T w, T threshold) {
    return threshold > T(0) && w * w <= T(2) * threshold ? T(0) : w;
}

template <typename T>
__device__ __forceinline__ T prox(int penalty, T w, T threshold) {
    return penalty == codes::L0 ? hard(w, threshold) : soft(w, threshold);
}

// Factors of the nonsmooth and of the squared part of the penalties of one member.
struct Strengths {
    double alpha, l1_ratio;

    __device__ __forceinline__ double kink(int penalty) const {
        if (penalty == codes::ELASTIC_NET) return alpha * l1_ratio;
        return penalty == codes::UNPENALIZED ? 0.0 : alpha;
    }

    __device__ __forceinline__ double square(int penalty) const {
        return penalty == codes::ELASTIC_NET ? alpha * (1.0 - l1_ratio) : 0.0;
    }
};

// Sums over a member: squares of the gradient, sizes and squares of the penalized weights.
struct Watch {
    double sums[3] = {0.0, 0.0, 0.0};

    template <typename T, int W>
    __device__ __forceinline__ void add(
        int penalty, const Pack<T, W> &weights, const Pack<T, W> &gradient) {
#pragma unroll
        for (int i = 0; i < W; ++i) {
            const double w = static_cast<double>(weights.v[i]);
            const double g = static_cast<double>(gradient.v[i]);
            sums[0] += g * g;
            if (penalty == codes::ELASTIC_NET) {
                sums[1] += fabs(w);
                sums[2] += w * w;
            } else if (penalty == codes::L0) {
                sums[1] += w != 0.0 ? 1.0 : 0.0;
            }
        }
    }

    // The last block of a member adds all blocks' sums to the monitor.
    __device__ __forceinline__ void report(
        double batch_size, double *partials, unsigned int *counters, double *monitor) {
        const int k = blockIdx.y;
        if (!grid_sums(sums, partials + 3ll * k * gridDim.x, counters + k)) return;
        if (threadIdx.x == 0) {
            monitor[3 * k] += batch_size * sqrt(sums[0]);
            monitor[3 * k + 1] += batch_size * sums[1];
            monitor[3 * k + 2] += batch_size * sums[2];
        }
    }
};

template <typename T, int W>
__global__ void __launch_bounds__(STEP_THREADS, RESIDENT<T>) sgd_step(
    T *__restrict__ parameters, const T *__restrict__ gradient, T *__restrict__ velocity,
    const long long *__restrict__ table, long long count, long long chunks,
    const double *__restrict__ rate, const double *__restrict__ alpha,
    const double *__restrict__ l1_ratio, double momentum, long long nesterov, double batch_size,
    double *__restrict__ monitor, double *partials, unsigned int *counters) {
    const int k = blockIdx.y;
    const Strengths strengths{alpha[k], l1_ratio[k]};
    const T eta = static_cast<T>(rate[k]), inertia = static_cast<T>(momentum);
    Watch watch;
    for_chunks<W>(table, count, chunks, k, [&](const Place &at) {
        const T threshold = static_cast<T>(rate[k] * strengths.kink(at.penalty));
        const T decay = static_cast<T>(strengths.square(at.penalty));
        Pack<T, W> w = load_run<W>(parameters, at), v = load_run<W>(velocity, at);
        const Pack<T, W> g = load_run<W>(gradient, at);
        watch.add(at.penalty, w, g);
#pragma unroll
        for (int i = 0; i < W; ++i) {
            const T descent = eta * (g.v[i] + decay * w.v[i]);
            const T push = inertia * v.v[i] - descent;
            const T half = nesterov ? w.v[i] - descent : w.v[i] + push;
            const T x = prox(at.penalty, half, threshold);
            // The difference of the weights would round away digits that the velocity has.
            v.v[i] = push + (x - half);
            // At the kink Nesterov's momentum starts anew, so that zeros are exact.
            if (nesterov && threshold > T(0) && x == T(0)) v.v[i] = T(0);
            w.v[i] = nesterov ? x + inertia * v.v[i] : x;
        }
        store_run<W>(velocity, at, v);
        store_run<W>(parameters, at, w);
    });
    watch.report(batch_size, partials, counters, monitor);
}

template <typename T, int W>
__global__ void __launch_bounds__(STEP_THREADS, RESIDENT<T>) adam_step(
    T *__restrict__ parameters, const T *__restrict__ gradient, T *__restrict__ first,
    T *__restrict__ second, const long long *__restrict__ table, long long count, long long chunks,
    const double *__restrict__ rate, const double *__restrict__ alpha,
    const double *__restrict__ l1_ratio, double beta_1, double beta_2, double epsilon,
    const double *__restrict__ correction, long long decoupled, double batch_size,
    double *__restrict__ monitor, double *partials, unsigned int *counters) {
    const int k = blockIdx.y;
    const Strengths strengths{alpha[k], l1_ratio[k]};
    const T b1 = static_cast<T>(beta_1), new_1 = static_cast<T>(1.0 - beta_1);
    const T b2 = static_cast<T>(beta_2), new_2 = static_cast<T>(1.0 - beta_2);
    const T tiny = static_cast<T>(epsilon);
    const T eta = static_cast<T>(rate[k] * correction[k]);
    Watch watch;
    for_chunks<W>(table, count, chunks, k, [&](const Place &at) {
        const double kink = strengths.kink(at.penalty), square = strengths.square(at.penalty);
        const T decay = static_cast<T>(decoupled ? 0.0 : square);
        const T keep = static_cast<T>(decoupled ? 1.0 - rate[k] * square : 1.0);
        const T limit = static_cast<T>(decoupled ? rate[k] * kink : kink);
        Pack<T, W> w = load_run<W>(parameters, at);
        Pack<T, W> m = load_run<W>(first, at), v = load_run<W>(second, at);
        const Pack<T, W> g = load_run<W>(gradient, at);
        watch.add(at.penalty, w, g);
#pragma unroll
        for (int i = 0; i < W; ++i) {
            const T d = g.v[i] + decay * w.v[i];
            m.v[i] = b1 * m.v[i] + new_1 * d;
            v.v[i] = b2 * v.v[i] + new_2 * d * d;
            const T step = eta / (sqrt(v.v[i]) + tiny);
            const T threshold = decoupled ? limit : step * limit;
            w.v[i] = prox(at.penalty, keep * w.v[i] - step * m.v[i], threshold);
        }
        store_run<W>(first, at, m);
        store_run<W>(second, at, v);
        store_run<W>(parameters, at, w);
    });
    watch.report(batch_size, partials, counters, monitor);
}

// Sum of the squares of what a block takes of a member.
template <int W, typename T>
__device__ __forceinline__ double squares(
    const T *values, const long long *table, long long count, long long chunks) {
    double sum = 0.0;
    for_chunks<W>(table, count, chunks, blockIdx.y, [&](const Place &at) {
        const Pack<T, W> pack = load_run<W>(values, at);
#pragma unroll
        for (int w = 0; w < W; ++w) {
            const double value = static_cast<double>(pack.v[w]);
            sum += value * value;
        }
    });
    return block_sum(sum);
}

// The squares of each block's part of a member, in the partials.
template <typename T, int W>
__global__ void __launch_bounds__(STEP_THREADS) norms(
    const T *__restrict__ values, const long long *__restrict__ table, long long count,
    long long chunks, double *partials) {
    const double sum = squares<W>(values, table, count, chunks);
    if (threadIdx.x == 0) partials[static_cast<long long>(blockIdx.y) * gridDim.x + blockIdx.x] = sum;
}

// The Euclidean norm of the block's member, from the squares of `parts` blocks of `norms`, or, if
// that is 0, by this block, which then is the member's only one.
template <int W, typename T>
__device__ __forceinline__ double member_norm(
    const T *values, const long long *table, long long count, long long chunks,
    const double *partials, long long parts) {
    if (parts == 0) return sqrt(squares<W>(values, table, count, chunks));
    double sum = 0.0;
    for (long long p = threadIdx.x; p < parts; p += STEP_THREADS) {
        sum += partials[blockIdx.y * parts + p];
    }
    return sqrt(block_sum(sum));
}

template <int W, typename T>
__device__ __forceinline__ void multiply(
    T *values, const long long *table, long long count, long long chunks, double factor) {
    for_chunks<W>(table, count, chunks, blockIdx.y, [&](const Place &at) {
        Pack<T, W> pack = load_run<W>(values, at);
#pragma unroll
        for (int w = 0; w < W; ++w) pack.v[w] = static_cast<T>(pack.v[w] * factor);
        store_run<W>(values, at, pack);
    });
}

// Rescale members whose norm is finite and larger than `largest`.
template <typename T, int W>
__global__ void __launch_bounds__(STEP_THREADS) clip_gradient(
    T *gradient, const long long *__restrict__ table, long long count, long long chunks,
    double largest, const double *__restrict__ partials, long long parts) {
    const double norm = member_norm<W>(gradient, table, count, chunks, partials, parts);
    if (!(norm > largest) || isinf(norm)) return;
    multiply<W>(gradient, table, count, chunks, largest / norm);
}

// Rescale active members as a whole; those that are zero stay.
template <typename T, int W>
__global__ void __launch_bounds__(STEP_THREADS) restore_norms(
    T *weight, const long long *__restrict__ table, long long count, long long chunks,
    double radius, const bool *__restrict__ active, const double *__restrict__ partials,
    long long parts) {
    if (!active[blockIdx.y]) return;
    const double norm = member_norm<W>(weight, table, count, chunks, partials, parts);
    if (norm == 0.0) return;
    multiply<W>(weight, table, count, chunks, radius / norm);
}

// Rescale the columns of active members to a Euclidean norm; columns of zeros stay. A grid of tiles
// of 32 columns, and of members; threads along the columns, then along the rows.
template <typename T>
__global__ void __launch_bounds__(1024) restore_columns(
    T *__restrict__ weight, long long inputs, long long outputs, double radius,
    const bool *__restrict__ active) {
    __shared__ double sums[WARP][WARP + 1];
    if (!active[blockIdx.y]) return;
    const long long column = static_cast<long long>(blockIdx.x) * WARP + threadIdx.x;
    T *values = weight + blockIdx.y * inputs * outputs + column;
    const bool inside = column < outputs;
    double sum = 0.0;
    if (inside) {
#pragma unroll 4
        for (long long i = threadIdx.y; i < inputs; i += WARP) {
            const double value = static_cast<double>(values[i * outputs]);
            sum += value * value;
        }
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    // Warp y adds the sums of column y.
    sum = warp_sum(sums[threadIdx.x][threadIdx.y]);
    if (threadIdx.x == 0) sums[0][threadIdx.y] = sum;
    __syncthreads();
    const double norm = sqrt(sums[0][threadIdx.x]);
    if (!inside || norm == 0.0) return;
    const double factor = radius / norm;
#pragma unroll 4
    for (long long i = threadIdx.y; i < inputs; i += WARP) {
        values[i * outputs] = static_cast<T>(values[i * outputs] * factor);
    }
}
