// Blocks that take some columns through many rows: threadIdx.x runs along the columns, W of them
// to a thread, and threadIdx.y along the rows. Both sizes are powers of two, and the threads a
// multiple of a warp.
#include "random.cuh"
#include "reduce.cuh"

// Rows of a thread whose loads are under way at once. Products in float32 of so many rows are
// added in float32 before they enter a sum in float64.
constexpr int FORWARD_ROWS = 4, BACKWARD_ROWS = 2;

// Blocks that are to share a multiprocessor, as many as its registers allow; those with an
// exponential take more of these.
template <int ACTIVATION>
constexpr int RESIDENT_BLOCKS =
    ACTIVATION == codes::IDENTITY || ACTIVATION == codes::RELU || ACTIVATION == codes::LEAKY_RELU
        ? 3
        : 2;

// A block's columns, and which part of the rows it takes. The tiles of one part are neighbours in
// the grid, as their values are in memory.
template <int W>
struct Tile {
    int index, part;
    int columns;         // of the block, those beyond the last included
    int own;             // the one of them whose sums the thread finishes
    bool inside, owns;   // whether the thread's columns are to be processed; whether its own is
    long long column;    // the first of the thread's columns
    long long single;    // its own; one of the others if it owns none

    __device__ __forceinline__ Tile(int tiles, long long start, long long stop)
        : index(blockIdx.x % tiles), part(blockIdx.x / tiles), columns(blockDim.x * W) {
        const long long first = start + static_cast<long long>(index) * columns;
        column = first + threadIdx.x * W;
        inside = column < stop;
        owns = thread_index() < columns && first + thread_index() < stop;
        own = owns ? thread_index() : 0;
        single = first + own;
    }
};

// `count` rows from `first` on. Within them 32 bits are enough to count, which saves registers.
struct Rows {
    long long first;
    int count;
};

// Those of group g of a batch of n rows that is cut at the `inner` boundaries.
__device__ __forceinline__ Rows group_rows(
    const long long *inner, int groups, long long n, int g) {
    const long long first = g > 0 ? inner[g - 1] : 0;
    return {first, static_cast<int>((g + 1 < groups ? inner[g] : n) - first)};
}

// Chunk p of rows; those beyond the end are empty.
__device__ __forceinline__ Rows chunk_rows(Rows rows, int size, int p) {
    const long long begin = smaller(static_cast<long long>(p) * size, rows.count);
    return {rows.first + begin, static_cast<int>(smaller(size, rows.count - begin))};
}

// Values of row i of those that z begins with.
template <typename T>
__device__ __forceinline__ T *row_of(T *z, int i, int d) {
    return z + static_cast<long long>(i) * d;
}

// Values of U rows that are blockDim.y apart, 0 from row `end` on.
template <int U, int W, typename T>
__device__ __forceinline__ void load_rows(
    const T *z, int row, int end, int d, Pack<T, W> (&values)[U]) {
#pragma unroll
    for (int u = 0; u < U; ++u) {
        const int i = row + u * blockDim.y;
        values[u] = i < end ? load<W>(row_of(z, i, d)) : Pack<T, W>{};
    }
}

template <int U, typename T>
__device__ __forceinline__ void load_weights(const T *weight, int row, int end, T (&values)[U]) {
#pragma unroll
    for (int u = 0; u < U; ++u) {
        const int i = row + u * blockDim.y;
        values[u] = i < end ? weight[i] : T(0);
    }
}

// Add up weighted deviations of U rows from a base, their squares behind them, and the weights. All
// in float64, because nothing corrects a rounding error, which grows with the distance of the base
// from the mean. Where float64 is slow, so is this.
template <int W, int U, int N, typename T>
__device__ __forceinline__ void add_deviations_from(
    const double (&base)[W], const Pack<T, W> (&x)[U], const T (&weights)[U], double &total,
    double (&sums)[N]) {
    static_assert(N >= 2 * W, "two sums of each column");
#pragma unroll
    for (int u = 0; u < U; ++u) {
        const double share = weights[u];
        total += share;
#pragma unroll
        for (int w = 0; w < W; ++w) {
            const double deviation = x[u].v[w] - base[w], weighted = share * deviation;
            sums[w] += weighted;
            sums[W + w] += weighted * deviation;
        }
    }
}

// Of a power of two.
__device__ __forceinline__ int log2_of(int number) { return 31 - __clz(number); }

// Sums over threadIdx.y that are left when each warp has added up its own.
__device__ __forceinline__ int sum_levels() {
    return block_threads() >> log2_of(blockDim.x < WARP ? WARP : blockDim.x);
}

// Doubles of shared memory that `column_sums` of N values of W columns takes.
template <int N, int W>
__device__ __forceinline__ int sums_size() {
    return blockDim.x * (N * sum_levels() + (N + W - 1) / W * W);
}

// Sums of N values over threadIdx.y, visible to all threads: those of values q W to q W + W - 1
// of all columns of the block stand from q * blockDim.x * W on. They are added in a binary tree
// over threadIdx.y that does not depend on blockDim.x, so that no bit of a result depends on how
// many columns a block takes.
template <int W, int N>
__device__ __forceinline__ const double *column_sums(double (&values)[N], double *scratch) {
    const int width = blockDim.x, threads = block_threads(), levels = sum_levels();
    const int thread = thread_index(), level = width < WARP ? thread / WARP : threadIdx.y;
    for (int step = width; step < WARP; step *= 2) {
#pragma unroll
        for (int i = 0; i < N; ++i) values[i] += __shfl_xor_sync(ALL_LANES, values[i], step);
    }
    if (thread % WARP < width) {
#pragma unroll
        for (int i = 0; i < N; ++i) scratch[(i * width + threadIdx.x) * levels + level] = values[i];
    }
    __syncthreads();
    const int count = N * width * levels;
    double *results = scratch + count;
    for (int first = 0; first < count; first += threads) {
        // Sizes of blocks are powers of two: shifts take a tenth of a division's time.
        const int place = first + thread, value = place >> log2_of(levels);
        double sum = place < count ? scratch[place] : 0.0;
        for (int step = 1; step < levels; step *= 2) sum += __shfl_xor_sync(ALL_LANES, sum, step);
        if (place < count && (place & (levels - 1)) == 0) {
            const int i = value >> log2_of(width), x = value & (width - 1);
            results[(i / W * width + x) * W + i % W] = sum;
        }
    }
    __syncthreads();
    return results;
}

// Write the N sums of the thread's own column, which `column_sums` left at `results`.
template <int N, int W>
__device__ __forceinline__ void store_part(
    const Tile<W> &tile, const double *results, int d, double *part) {
    if (!tile.owns) return;
#pragma unroll
    for (int i = 0; i < N; ++i) *row_of(part, i, d) = results[i * tile.columns + tile.own];
}

// Sums over the parts that other blocks wrote, (parts, N, d), from the thread's columns on.
template <int N, int W>
__device__ __forceinline__ const double *add_parts(
    const double *parts, int count, bool inside, int d, double *scratch) {
    double sums[N * W] = {};
    for (int p = threadIdx.y; inside && p < count; p += blockDim.y) {
#pragma unroll
        for (int i = 0; i < N; ++i) {
#pragma unroll
            for (int w = 0; w < W; ++w) sums[i * W + w] += load_shared(row_of(parts, p * N + i, d) + w);
        }
    }
    return column_sums<W>(sums, scratch);
}

// Dropout of the values of a pack, of which the first is `element`; costs one test without.
template <typename T, int W>
__device__ __forceinline__ void drop_pack(
    const Dropout<T> &drop, unsigned int element, Pack<T, W> &pack) {
    if (!drop.active()) return;
#pragma unroll
    for (int w = 0; w < W; ++w) pack.v[w] = drop(pack.v[w], element + w);
}

// The number of an element, by which dropout knows it, modulo 2^32.
__device__ __forceinline__ unsigned int element_of(long long row, long long column, int d) {
    return static_cast<unsigned int>(row) * static_cast<unsigned int>(d) +
           static_cast<unsigned int>(column);
}
