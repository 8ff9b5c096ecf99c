// Layer norm, activation and dropout; the formulas stand in
// sknorm/kernels/reference/layer_block.py. The threads of one threadIdx.y take a row together and
// keep it in their registers, or read it again where it is too wide (`*_wide`). The member is
// blockIdx.y.
#include "activations.cuh"
#include "columns.cuh"

// Packs of a row that a thread keeps, as many as registers allow: a backward pass has two of each,
// and two sums in float64 for each value.
constexpr int FORWARD_PACKS = 4;
template <int W>
constexpr int BACKWARD_PACKS = W == 1 ? 4 : 2;

// Sums of N values over threadIdx.x, the same on each thread of a row. All threads take part.
template <int N>
__device__ __forceinline__ void row_sums(double (&values)[N]) {
    __shared__ double partials[N][WARP];
    const int width = blockDim.x, warp = thread_index() / WARP;
    team_sums(values, width < WARP ? width : WARP);
    if (width <= WARP) return;
#pragma unroll
    for (int i = 0; i < N; ++i) {
        if (thread_index() % WARP == 0) partials[i][warp] = values[i];
        values[i] = 0.0;
    }
    __syncthreads();
    const int first = threadIdx.y * (width / WARP);
    for (int other = first; other < first + width / WARP; ++other) {
#pragma unroll
        for (int i = 0; i < N; ++i) values[i] += partials[i][other];
    }
    __syncthreads();
}

// A thread's part of a row: packs of W values, each of blockDim.x packs from the next.
template <int W>
__device__ __forceinline__ int column_of(int item) {
    return (item * blockDim.x + threadIdx.x) * W;
}

// What a row's values are standardized by, in two steps (Chan, Golub and LeVeque, 1983): first the
// rounded mean is subtracted, then what is left of it, given the sums of the deviations and of
// their squares.
template <typename T>
struct RowScale {
    T rest, inverse;

    __device__ __forceinline__ RowScale(const double (&sums)[2], int d, double epsilon) {
        const double correction = sums[0] / d;
        double variance = sums[1] / d - correction * correction;
        variance = variance < 0.0 ? 0.0 : variance;  // NaN stays
        rest = static_cast<T>(correction);
        inverse = static_cast<T>(1.0 / sqrt(variance + epsilon));
    }
};

// W columns of the affine map behind the norm, activation and dropout, and their gradients.
template <typename T, int W, int ACTIVATION>
struct LayerMap {
    const T *scale, *shift;
    Dropout<T> drop;
    int d;

    __device__ __forceinline__ Pack<T, W> output(
        long long row, int column, Pack<T, W> xhat) const {
        const Pack<T, W> gain = load<W>(scale + column), offset = load<W>(shift + column);
#pragma unroll
        for (int w = 0; w < W; ++w) {
            xhat.v[w] = activate<ACTIVATION>(xhat.v[w] * gain.v[w] + offset.v[w]);
        }
        drop_pack(drop, element_of(row, column, d), xhat);
        return xhat;
    }

    // From the gradient of the output that of the pre-activation.
    __device__ __forceinline__ void differentiate(
        long long row, int column, const Pack<T, W> &xhat, Pack<T, W> &gradient) const {
        const Pack<T, W> gain = load<W>(scale + column), offset = load<W>(shift + column);
        drop_pack(drop, element_of(row, column, d), gradient);
#pragma unroll
        for (int w = 0; w < W; ++w) {
            gradient.v[w] *= derivative<ACTIVATION>(xhat.v[w] * gain.v[w] + offset.v[w]);
        }
    }
};

// Subtract the mean; add what is left, and its squares.
template <typename T, int W>
__device__ __forceinline__ void centre(Pack<T, W> &x, T mean, double (&sums)[2]) {
    T sum = 0, squares = 0;
#pragma unroll
    for (int w = 0; w < W; ++w) {
        x.v[w] -= mean;
        sum += x.v[w];
        squares += x.v[w] * x.v[w];
    }
    sums[0] += sum;
    sums[1] += squares;
}

template <typename T, int W>
__device__ __forceinline__ T sum_of(const Pack<T, W> &x) {
    T sum = 0;
#pragma unroll
    for (int w = 0; w < W; ++w) sum += x.v[w];
    return sum;
}

template <typename T, int W>
__device__ __forceinline__ Pack<T, W> scaled(Pack<T, W> x, const RowScale<T> &by) {
#pragma unroll
    for (int w = 0; w < W; ++w) x.v[w] = (x.v[w] - by.rest) * by.inverse;
    return x;
}

// Gradients of the pre-activations become those of xhat; their sum, and that of their products
// with xhat, are added up.
template <typename T, int W>
__device__ __forceinline__ void project(
    const Pack<T, W> &xhat, const Pack<T, W> &scale, Pack<T, W> &gradient, double (&sums)[2]) {
    T sum = 0, products = 0;
#pragma unroll
    for (int w = 0; w < W; ++w) {
        gradient.v[w] *= scale.v[w];
        sum += gradient.v[w];
        products += gradient.v[w] * xhat.v[w];
    }
    sums[0] += sum;
    sums[1] += products;
}

template <typename T, int W>
__device__ __forceinline__ Pack<T, W> input_gradient(
    const Pack<T, W> &xhat, Pack<T, W> gradient, T mean, T slope, T inverse) {
#pragma unroll
    for (int w = 0; w < W; ++w) {
        gradient.v[w] = inverse * (gradient.v[w] - mean - xhat.v[w] * slope);
    }
    return gradient;
}

// Blocks take rows in turns.
template <typename T, int W, int ACTIVATION>
__global__ void __launch_bounds__(256, RESIDENT_BLOCKS<ACTIVATION>) layer_forward(
    const T *scale, const T *shift, double epsilon, const double *rate, const unsigned int *seed,
    unsigned int step, const unsigned int *clock, unsigned int layer, T *inverse_std, long long n,
    long long width, T *z, T *out) {
    constexpr int ITEMS = FORWARD_PACKS;
    const int d = width;
    const long long k = blockIdx.y;
    const LayerMap<T, W, ACTIVATION> map = {
        scale + k * d, shift + k * d, {rate[k], seed[k], given(step, clock), layer}, d};
    const long long turn = static_cast<long long>(gridDim.x) * blockDim.y;
    for (long long first = blockIdx.x * blockDim.y; first < n; first += turn) {
        const long long row = first + threadIdx.y, place = (k * n + row) * d;
        const int end = row < n ? d : 0;
        Pack<T, W> x[ITEMS];
        double total[1] = {}, sums[2] = {};
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) {
            const int c = column_of<W>(i);
            x[i] = c < end ? load<W>(z + place + c) : Pack<T, W>{};
        }
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) total[0] += sum_of(x[i]);
        row_sums(total);
        const T mean = static_cast<T>(total[0] / d);
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) {
            if (column_of<W>(i) < end) centre(x[i], mean, sums);
        }
        row_sums(sums);
        const RowScale<T> by(sums, d, epsilon);
        if (threadIdx.x == 0 && row < n) inverse_std[k * n + row] = by.inverse;
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) {
            const int c = column_of<W>(i);
            if (c >= end) continue;
            x[i] = scaled(x[i], by);
            store(z + place + c, x[i]);
            store(out + place + c, map.output(row, c, x[i]));
        }
    }
}

// A block takes a row at a time, and reads it three times, from a cache.
template <typename T, int W, int ACTIVATION>
__global__ void __launch_bounds__(256, 3) layer_forward_wide(
    const T *scale, const T *shift, double epsilon, const double *rate, const unsigned int *seed,
    unsigned int step, const unsigned int *clock, unsigned int layer, T *inverse_std, long long n,
    long long width, T *z, T *out) {
    const int d = width, stride = blockDim.x * W;
    const long long k = blockIdx.y;
    const LayerMap<T, W, ACTIVATION> map = {
        scale + k * d, shift + k * d, {rate[k], seed[k], given(step, clock), layer}, d};
    for (long long row = blockIdx.x; row < n; row += gridDim.x) {
        T *own = z + (k * n + row) * d, *to = out + (k * n + row) * d;
        double total[1] = {}, sums[2] = {};
        for (int c = column_of<W>(0); c < d; c += stride) total[0] += sum_of(load<W>(own + c));
        row_sums(total);
        const T mean = static_cast<T>(total[0] / d);
        for (int c = column_of<W>(0); c < d; c += stride) {
            Pack<T, W> x = load<W>(own + c);
            centre(x, mean, sums);
            store(own + c, x);
        }
        row_sums(sums);
        const RowScale<T> by(sums, d, epsilon);
        if (threadIdx.x == 0) inverse_std[k * n + row] = by.inverse;
        for (int c = column_of<W>(0); c < d; c += stride) {
            const Pack<T, W> x = scaled(load<W>(own + c), by);
            store(own + c, x);
            store(to + c, map.output(row, c, x));
        }
    }
}

// Write what a block's rows add to the sums of each column, (2, d).
template <int N, int W>
__device__ __forceinline__ void store_sums(
    double (&dshift)[N], double (&dscale)[N], int d, double *part, double *scratch) {
    const double *results = column_sums<W>(dshift, scratch);
    for (int c = thread_index(); c < d; c += block_threads()) part[c] = results[c];
    results = column_sums<W>(dscale, scratch);
    for (int c = thread_index(); c < d; c += block_threads()) part[d + c] = results[c];
}

// A block takes a chunk of rows, and leaves its sums of the columns in `parts`.
template <typename T, int W, int ACTIVATION>
__global__ void __launch_bounds__(256, 2) layer_backward(
    const T *z, const T *inverse_std, const T *scale, const T *shift, const double *rate,
    const unsigned int *seed, unsigned int step, const unsigned int *clock, unsigned int layer,
    long long size, double *parts, long long n, long long width, T *dout) {
    SKN_DYNAMIC_SHARED(double, scratch);
    constexpr int ITEMS = BACKWARD_PACKS<W>;
    const int d = width;
    const long long k = blockIdx.y;
    const LayerMap<T, W, ACTIVATION> map = {
        scale + k * d, shift + k * d, {rate[k], seed[k], given(step, clock), layer}, d};
    const Rows rows = chunk_rows({0, static_cast<int>(n)}, size, blockIdx.x);
    double dshift[ITEMS * W] = {}, dscale[ITEMS * W] = {};
    for (int first = 0; first < rows.count; first += blockDim.y) {
        const long long row = rows.first + first + threadIdx.y, place = (k * n + row) * d;
        const int end = first + static_cast<int>(threadIdx.y) < rows.count ? d : 0;
        Pack<T, W> x[ITEMS], dy[ITEMS];
        double sums[2] = {};
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) {
            const int c = column_of<W>(i);
            x[i] = c < end ? load<W>(z + place + c) : Pack<T, W>{};
            dy[i] = c < end ? load<W>(dout + place + c) : Pack<T, W>{};
        }
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) {
            const int c = column_of<W>(i);
            if (c >= end) continue;
            map.differentiate(row, c, x[i], dy[i]);
#pragma unroll
            for (int w = 0; w < W; ++w) {
                dshift[i * W + w] += dy[i].v[w];
                dscale[i * W + w] += dy[i].v[w] * x[i].v[w];
            }
            project(x[i], load<W>(map.scale + c), dy[i], sums);
        }
        row_sums(sums);
        const T mean = static_cast<T>(sums[0] / d), slope = static_cast<T>(sums[1] / d);
        const T inverse = end > 0 ? inverse_std[k * n + row] : T(0);
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) {
            const int c = column_of<W>(i);
            if (c >= end) continue;
            store(dout + place + c, input_gradient(x[i], dy[i], mean, slope, inverse));
        }
    }
    double *part = parts + (k * gridDim.x + blockIdx.x) * 2 * d;
    store_sums<ITEMS * W, W>(dshift, dscale, d, part, scratch);
}

// The same for rows too wide for registers: a block takes a row at a time, reads it twice, and
// adds to its sums in memory, each thread to its own.
template <typename T, int W, int ACTIVATION>
__global__ void __launch_bounds__(256, 2) layer_backward_wide(
    const T *z, const T *inverse_std, const T *scale, const T *shift, const double *rate,
    const unsigned int *seed, unsigned int step, const unsigned int *clock, unsigned int layer,
    long long size, double *parts, long long n, long long width, T *dout) {
    const int d = width, stride = blockDim.x * W;
    const long long k = blockIdx.y;
    const LayerMap<T, W, ACTIVATION> map = {
        scale + k * d, shift + k * d, {rate[k], seed[k], given(step, clock), layer}, d};
    const Rows rows = chunk_rows({0, static_cast<int>(n)}, size, blockIdx.x);
    double *part = parts + (k * gridDim.x + blockIdx.x) * 2 * d;
    for (int i = 0; i < rows.count; ++i) {
        const long long row = rows.first + i;
        const T *own = z + (k * n + row) * d;
        T *gradient = dout + (k * n + row) * d;
        double sums[2] = {};
        for (int c = column_of<W>(0); c < d; c += stride) {
            const Pack<T, W> x = load<W>(own + c);
            Pack<T, W> dy = load<W>(gradient + c);
            map.differentiate(row, c, x, dy);
#pragma unroll
            for (int w = 0; w < W; ++w) {
                const double da = dy.v[w], product = dy.v[w] * x.v[w];
                part[c + w] = i > 0 ? part[c + w] + da : da;
                part[d + c + w] = i > 0 ? part[d + c + w] + product : product;
            }
            project(x, load<W>(map.scale + c), dy, sums);
            store(gradient + c, dy);
        }
        row_sums(sums);
        const T mean = static_cast<T>(sums[0] / d), slope = static_cast<T>(sums[1] / d);
        const T inverse = inverse_std[k * n + row];
        for (int c = column_of<W>(0); c < d; c += stride) {
            const Pack<T, W> x = load<W>(own + c), dy = load<W>(gradient + c);
            store(gradient + c, input_gradient(x, dy, mean, slope, inverse));
        }
    }
}

// Gradients of shift and scale from the sums that `count` blocks left.
template <typename T>
__global__ void __launch_bounds__(256) layer_sums(
    const double *parts, long long count, T *dscale, T *dshift, long long width) {
    SKN_DYNAMIC_SHARED(double, scratch);
    const int d = width;
    const long long k = blockIdx.y;
    const Tile<1> tile(gridDim.x, 0, d);
    parts += k * count * 2 * d + tile.column;
    const double *results = add_parts<2, 1>(parts, count, tile.inside, d, scratch);
    if (!tile.owns) return;
    dshift[k * d + tile.single] = static_cast<T>(results[tile.own]);
    dscale[k * d + tile.single] = static_cast<T>(results[tile.columns + tile.own]);
}
