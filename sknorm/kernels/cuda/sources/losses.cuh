// What all losses share: the sums of their results over rows, and the kernel of those that are
// sums over the logits. A grid has blocks for chunks of rows (x), tiles of columns (y), and
// members (z). Teams of `lanes` threads, a power of two up to a warp, take a row each.
//
// Sums over rows are in double. What a chunk contributes does not depend on the number of members,
// and contributions are added in the order of the chunks.
#include "reduce.cuh"

constexpr int LOSS_THREADS = 256;
constexpr int LOSS_WARPS = LOSS_THREADS / WARP;
constexpr int ROWS_AT_ONCE = 4;  // of a thread, all loaded before the first is stored

// A member's results, and what blocks write in between.
template <typename T>
struct LossResults {
    T *dbias;                // of o columns
    double *value;           // one
    double *sums, *losses;   // of each chunk and column, and of each block
    long long o, chunks, blocks;

    __device__ __forceinline__ LossResults(
        T *dbias, double *value, double *partials, long long o, long long chunks, long long tiles,
        long long k)
        : dbias(dbias + k * o),
          value(value + k),
          sums(partials + k * chunks * (o + tiles)),
          losses(sums + chunks * o),
          o(o),
          chunks(chunks),
          blocks(chunks * tiles) {}
};

// Sum over all teams of the block, on each thread that of its lane.
__device__ __forceinline__ double sum_of_teams(double value, int lanes) {
    __shared__ double partials[LOSS_WARPS][WARP];
    const int lane = threadIdx.x % WARP;
    for (int step = lanes; step < WARP; step *= 2) {
        value += __shfl_xor_sync(ALL_LANES, value, step);
    }
    partials[threadIdx.x / WARP][lane] = value;
    __syncthreads();
    value = 0.0;
#pragma unroll
    for (int warp = 0; warp < LOSS_WARPS; ++warp) value += partials[warp][lane];
    __syncthreads();
    return value;
}

// The columns from `first` on, one per lane: what all chunks contribute to them.
template <typename T>
__device__ __forceinline__ void add_columns(
    const LossResults<T> &results, long long first, int lanes) {
    const int team = threadIdx.x / lanes, teams = LOSS_THREADS / lanes;
    const long long column = first + threadIdx.x % lanes;
    double sum = 0.0;
    if (column < results.o) {
#pragma unroll 4
        for (long long chunk = team; chunk < results.chunks; chunk += teams) {
            sum += load_shared(results.sums + chunk * results.o + column);
        }
    }
    sum = sum_of_teams(sum, lanes);
    if (team == 0 && column < results.o) results.dbias[column] = static_cast<T>(sum);
}

template <typename T>
__device__ __forceinline__ void add_losses(const LossResults<T> &results) {
    double loss = 0.0;
#pragma unroll 4
    for (long long block = threadIdx.x; block < results.blocks; block += LOSS_THREADS) {
        loss += load_shared(results.losses + block);
    }
    loss = block_sum(loss);
    if (threadIdx.x == 0) *results.value += loss;
}

// Called by all blocks once they have written what they contribute. The member's last block adds
// it all, where there is no launch of `add_chunks` to follow.
template <typename T>
__device__ __forceinline__ void finish(
    const LossResults<T> &results, int lanes, bool follows, unsigned int *counters) {
    if (follows) return;
    const unsigned int blocks = gridDim.x * gridDim.y;
    if (!last_block(counters + blockIdx.z, blocks)) return;
    for (long long first = 0; first < results.o; first += lanes) {
        add_columns(results, first, lanes);
    }
    add_losses(results);
}

// Results of a block's rows: its loss, and the sums of the thread's columns, `lanes` apart.
template <int VALUES, typename T>
__device__ __forceinline__ void contribute(
    const LossResults<T> &results, double loss, double (&sums)[VALUES], int lanes, bool follows,
    unsigned int *counters) {
    const bool alone = results.blocks == 1;
    const long long first = static_cast<long long>(blockIdx.y) * lanes + threadIdx.x % lanes;
    loss = block_sum(loss);
#pragma unroll
    for (int v = 0; v < VALUES; ++v) {
        const long long column = first + v * lanes;
        const double sum = sum_of_teams(sums[v], lanes);
        if (threadIdx.x >= lanes || column >= results.o) continue;
        if (alone) {
            results.dbias[column] = static_cast<T>(sum);
        } else {
            results.sums[blockIdx.x * results.o + column] = sum;
        }
    }
    if (threadIdx.x == 0) {
        if (alone) {
            *results.value += loss;
        } else {
            results.losses[static_cast<long long>(blockIdx.x) * gridDim.y + blockIdx.y] = loss;
        }
    }
    if (!alone) finish(results, lanes, follows, counters);
}

// The second launch where the last block would have too much to add: a grid over tiles of a
// warp's columns (x) and members (z), on the contributions of `chunks` times `tiles` blocks.
template <typename T>
__global__ void __launch_bounds__(256) add_chunks(
    double *value, T *dbias, long long o, long long chunks, long long tiles, double *partials) {
    const LossResults<T> results(dbias, value, partials, o, chunks, tiles, blockIdx.z);
    add_columns(results, static_cast<long long>(blockIdx.x) * WARP, WARP);
    if (blockIdx.x == 0) add_losses(results);
}

// A loss that is the sum over the logits of Loss::term(t, y, parameter, slope), which returns its
// value and sets its derivative. Of o logits, q follow one another that belong to one target and
// have a parameter each; q is 1 where there are none. Steps are those between members in y and
// weight, 0 where they share them. A block's logits are fewer than 2^31.
template <typename T, typename Loss>
__global__ void __launch_bounds__(256, 2) terms(
    const T *z, const T *bias, const T *y, const T *weight, const double *factor,
    const double *parameter, double *value, T *dbias, T *out, long long n, long long o,
    long long parameters, long long y_step, long long weight_step, long long rows, long long lanes,
    long long follows, double *partials, unsigned int *counters) {
    const long long k = blockIdx.z, first = blockIdx.x * rows;
    const int team_lanes = static_cast<int>(lanes), teams = LOSS_THREADS / team_lanes;
    const long long column = blockIdx.y * lanes + threadIdx.x % team_lanes;
    double loss = 0.0, sums[1] = {0.0};
    if (column < o) {
        const int q = static_cast<int>(larger(1, parameters));
        const int outputs = static_cast<int>(o), targets = outputs / q;
        const int stop = static_cast<int>(smaller(n - first, rows));
        const T b = bias[k * o + column], step = static_cast<T>(factor[k]);
        const T p = static_cast<T>(parameters > 0 ? parameter[k * q + column % q] : 0.0);
        z += (k * n + first) * o + column;
        out += (k * n + first) * o + column;
        y += k * y_step + first * targets + column / q;
        weight += k * weight_step + first;
        int row = threadIdx.x / team_lanes;
        for (; row < stop; row += ROWS_AT_ONCE * teams) {
            T t[ROWS_AT_ONCE], target[ROWS_AT_ONCE], w[ROWS_AT_ONCE];
#pragma unroll
            for (int r = 0; r < ROWS_AT_ONCE; ++r) {
                const int i = row + r * teams;
                if (i >= stop) continue;
                t[r] = z[i * outputs] + b;
                target[r] = y[i * targets];
                w[r] = weight[i];
            }
#pragma unroll
            for (int r = 0; r < ROWS_AT_ONCE; ++r) {
                const int i = row + r * teams;
                if (i >= stop) continue;
                T slope;
                const T term = Loss::term(t[r], target[r], p, slope);
                const T gradient = step * w[r] * slope;
                loss += static_cast<double>(w[r]) * static_cast<double>(term);
                sums[0] += static_cast<double>(gradient);
                out[i * outputs] = gradient;
            }
        }
    }
    const LossResults<T> results(dbias, value, partials, o, gridDim.x, gridDim.y, k);
    contribute(results, loss, sums, team_lanes, follows != 0, counters);
}
