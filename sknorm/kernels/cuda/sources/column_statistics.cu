// Weighted moments and extremes of the columns of a table, in one reading of it; the formulas stand
// in sknorm/kernels/reference/rows.py. A block takes a tile of columns through a chunk of rows; the
// last block of a tile adds up what the others leave. The member is blockIdx.y.
#include "columns.cuh"

// Rows of a thread whose loads are under way at once. The three blocks of a multiprocessor then wait
// for 24 kB at least, which keeps memory busy.
template <int W>
constexpr int ROWS_AT_ONCE = W == 1 ? 8 : 4;

// Weighted sums over rows of the deviations of W columns from a base, and of their squares. The
// base is one of the values or their mean, so that no digits are lost however large the mean is:
// a value is no further from the mean than the root of total / weight standard deviations.
template <int W>
struct Deviations {
    double total = 0.0, base[W] = {}, sums[2 * W] = {};  // of deviations, then of squares

    // Rows that blockDim.y threads take in turns. The thread's first row with weight is the base:
    // what it has added up before is zero, or NaN.
    template <typename T>
    __device__ __forceinline__ void add_rows(const T *z, const T *weight, int rows, int d) {
        constexpr int U = ROWS_AT_ONCE<W>;
        for (int i = threadIdx.y; i < rows; i += U * blockDim.y) {
            Pack<T, W> x[U];
            T weights[U];
            load_rows(z, i, rows, d, x);
            load_weights(weight, i, rows, weights);
            if (total == 0.0) {
#pragma unroll
                for (int u = U - 1; u >= 0; --u) {
                    if (!(weights[u] > T(0))) continue;
#pragma unroll
                    for (int w = 0; w < W; ++w) base[w] = x[u].v[w];
                }
            }
            add_deviations_from(base, x, weights, total, sums);
        }
    }

    // What blocks left in (parts, 4, d), from the thread's columns on; see `store`.
    __device__ __forceinline__ void add_parts(const double *parts, int count, int d) {
        for (int p = threadIdx.y; p < count; p += blockDim.y) {
            const double *part = row_of(parts, 4 * p, d);
            const double share = load_shared(part);
            if (total == 0.0 && share > 0.0) {
#pragma unroll
                for (int w = 0; w < W; ++w) base[w] = load_shared(row_of(part, 1, d) + w);
            }
            total += share;
#pragma unroll
            for (int w = 0; w < W; ++w) {
                const double shift = load_shared(row_of(part, 1, d) + w) - base[w];
                const double sum = load_shared(row_of(part, 2, d) + w), lifted = share * shift;
                sums[w] += sum + lifted;
                sums[W + w] += load_shared(row_of(part, 3, d) + w) + shift * (2.0 * sum + lifted);
            }
        }
    }

    __device__ __forceinline__ void store(double *part, int d) const {
#pragma unroll
        for (int w = 0; w < W; ++w) {
            row_of(part, 0, d)[w] = total;
            row_of(part, 1, d)[w] = base[w];
            row_of(part, 2, d)[w] = sums[w];
            row_of(part, 3, d)[w] = sums[W + w];
        }
    }

    // Those of all threads along the rows, about their mean. That is found first, and rounded; the
    // sums, which take the rest of it, are added then. All threads must take part.
    __device__ __forceinline__ void pool(double *scratch) {
        const int columns = blockDim.x * W;
        double means[2 * W];
#pragma unroll
        for (int w = 0; w < W; ++w) {
            means[w] = total;
            means[W + w] = total * base[w] + sums[w];
        }
        const double *results = column_sums<W>(means, scratch) + threadIdx.x * W;
        const double own = total;
        total = results[0];
#pragma unroll
        for (int w = 0; w < W; ++w) {
            const double mean = total == 0.0 ? 0.0 : results[columns + w] / total;
            const double shift = base[w] - mean, lifted = own * shift;
            sums[W + w] += shift * (2.0 * sums[w] + lifted);
            sums[w] += lifted;
            base[w] = mean;
        }
        results = column_sums<W>(sums, scratch) + threadIdx.x * W;
#pragma unroll
        for (int w = 0; w < W; ++w) {
            sums[w] = results[w];
            sums[W + w] = results[columns + w];
        }
    }

    // Mean and biased variance; both are 0 without weight.
    __device__ __forceinline__ void finish(double *moments, int d) const {
        const double share = total == 0.0 ? 0.0 : 1.0 / total;
#pragma unroll
        for (int w = 0; w < W; ++w) {
            const double correction = sums[w] * share;
            const double variance = sums[W + w] * share - correction * correction;
            moments[w] = base[w] + correction;
            row_of(moments, 1, d)[w] = variance < 0.0 ? 0.0 : variance;  // NaN stays
        }
    }
};

// `weight_step` is the distance of a member's weights from those of the one before.
template <typename T, int W>
__global__ void __launch_bounds__(256, 3) column_moments(
    const T *__restrict__ z, const T *__restrict__ weight, long long weight_step,
    long long chunks, long long size, long long n, long long width, double *moments,
    double *parts, unsigned int *counters) {
    SKN_DYNAMIC_SHARED(double, scratch);
    const int d = width, count = chunks, tiles = gridDim.x / count;
    const long long k = blockIdx.y;
    const Tile<W> tile(tiles, 0, d);
    const Rows rows = chunk_rows({0, static_cast<int>(n)}, size, tile.part);
    const bool writes = threadIdx.y == 0 && tile.inside;
    Deviations<W> found;
    if (tile.inside) {
        found.add_rows(
            z + (k * n + rows.first) * d + tile.column, weight + k * weight_step + rows.first,
            rows.count, d);
    }
    found.pool(scratch);
    if (count > 1) {
        parts += 4 * k * count * d + tile.column;
        if (writes) found.store(row_of(parts, 4 * tile.part, d), d);
        if (!last_block(counters + k * tiles + tile.index, count)) return;
        found = Deviations<W>();
        if (tile.inside) found.add_parts(parts, count, d);
        found.pool(scratch);
    }
    if (writes) found.finish(moments + 2 * k * d + tile.column, d);
}

// Values as low and as high as any; once one of them is NaN, both are.
template <typename T>
__device__ __forceinline__ void widen(T &low, T &high, T least, T largest) {
    low = least < low || least != least ? least : low;
    high = largest > high || largest != largest ? largest : high;
}

// The least and largest values of W columns.
template <typename T, int W>
struct Extremes {
    Pack<T, W> low, high;

    __device__ __forceinline__ void add(const Pack<T, W> &least, const Pack<T, W> &largest) {
#pragma unroll
        for (int w = 0; w < W; ++w) widen(low.v[w], high.v[w], least.v[w], largest.v[w]);
    }

    // Rows that blockDim.y threads take in turns. Those beyond the last are the last again.
    __device__ __forceinline__ void add_rows(const T *z, int rows, int d) {
        constexpr int U = ROWS_AT_ONCE<W>;
        const int last = rows - 1;
        low = high = load<W>(row_of(z, min(static_cast<int>(threadIdx.y), last), d));
        for (int i = threadIdx.y; i < rows; i += U * blockDim.y) {
            Pack<T, W> x[U];
#pragma unroll
            for (int u = 0; u < U; ++u) {
                const int row = i + u * static_cast<int>(blockDim.y);
                x[u] = load<W>(row_of(z, min(row, last), d));
            }
#pragma unroll
            for (int u = 0; u < U; ++u) add(x[u], x[u]);
        }
    }

    // What blocks left in (parts, 2, d), from the thread's columns on, beside the block's own.
    __device__ __forceinline__ void add_parts(const double *parts, int count, int d) {
        for (int p = threadIdx.y; p < count; p += blockDim.y) {
            const Extremes other = part(parts, p, d);
            add(other.low, other.high);
        }
    }

    static __device__ __forceinline__ Extremes part(const double *parts, int p, int d) {
        Extremes found;
#pragma unroll
        for (int w = 0; w < W; ++w) {
            found.low.v[w] = static_cast<T>(load_shared(row_of(parts, 2 * p, d) + w));
            found.high.v[w] = static_cast<T>(load_shared(row_of(parts, 2 * p + 1, d) + w));
        }
        return found;
    }

    __device__ __forceinline__ void store(double *to, int d) const {
#pragma unroll
        for (int w = 0; w < W; ++w) {
            to[w] = low.v[w];
            row_of(to, 1, d)[w] = high.v[w];
        }
    }

    // Those of all threads along the rows, on the first of them. All threads must take part. What
    // follows has a barrier before the shared memory is used again.
    __device__ __forceinline__ void pool(T *scratch) {
        const int across = blockDim.x, thread = thread_index(), levels = sum_levels();
        const int level = thread / (block_threads() / levels);
        for (int step = across; step < WARP; step *= 2) {
#pragma unroll
            for (int w = 0; w < W; ++w) {
                const T least = __shfl_xor_sync(ALL_LANES, low.v[w], step);
                const T largest = __shfl_xor_sync(ALL_LANES, high.v[w], step);
                widen(low.v[w], high.v[w], least, largest);
            }
        }
        if (thread % WARP < across) {
            Extremes *place = reinterpret_cast<Extremes *>(scratch);
            place[level * across + threadIdx.x] = *this;
        }
        __syncthreads();
        if (threadIdx.y > 0) return;
        for (int other = 1; other < levels; ++other) {
            const Extremes *place = reinterpret_cast<const Extremes *>(scratch);
            const Extremes found = place[other * across + threadIdx.x];
            add(found.low, found.high);
        }
    }
};

template <typename T, int W>
__global__ void __launch_bounds__(256, 3) column_extremes(
    const T *__restrict__ z, long long chunks, long long size, long long n, long long width,
    double *extremes, double *parts, unsigned int *counters) {
    SKN_DYNAMIC_SHARED(T, scratch);
    const int d = width, count = chunks, tiles = gridDim.x / count;
    const long long k = blockIdx.y;
    const Tile<W> tile(tiles, 0, d);
    const Rows rows = chunk_rows({0, static_cast<int>(n)}, size, tile.part);
    const bool writes = threadIdx.y == 0 && tile.inside;
    Extremes<T, W> found = {};
    if (tile.inside) {
        found.add_rows(z + (k * n + rows.first) * d + tile.column, rows.count, d);
    }
    found.pool(scratch);
    if (count > 1) {
        parts += 2 * k * count * d + tile.column;
        if (writes) found.store(row_of(parts, 2 * tile.part, d), d);
        if (!last_block(counters + k * tiles + tile.index, count)) return;
        if (tile.inside) found.add_parts(parts, count, d);
        found.pool(scratch);
    }
    if (!writes) return;
    extremes += 2 * k * d + tile.column;
#pragma unroll
    for (int w = 0; w < W; ++w) {
        widen(
            extremes[w], row_of(extremes, 1, d)[w], static_cast<double>(found.low.v[w]),
            static_cast<double>(found.high.v[w]));
    }
}
