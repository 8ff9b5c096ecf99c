// Kernels on the rows of a batch; sknorm/kernels/reference/rows.py and augmentation.py have their
// formulas.
#include "random.cuh"
#include "reduce.cuh"
#include "row_turns.cuh"

// Calls body(i) for the first of each W values of a member that the thread takes, of `size`.
template <int W, typename Body>
__device__ __forceinline__ void for_values(long long size, Body body) {
    const long long stride = static_cast<long long>(gridDim.x) * ROW_THREADS * W;
    long long i = (static_cast<long long>(blockIdx.x) * ROW_THREADS + threadIdx.x) * W;
    for (; i < size; i += stride) body(i);
}

// Inverted dropout in place. A grid of blocks over the values of a member, and of members.
template <typename T, int W>
__global__ void __launch_bounds__(ROW_THREADS) dropout(
    const double *rate, const unsigned int *seed, unsigned int step, const unsigned int *clock,
    unsigned int layer, long long size, T *out) {
    const Dropout<T> drop(rate[blockIdx.y], seed[blockIdx.y], given(step, clock), layer);
    if (!drop.active()) return;
    out += blockIdx.y * size;
    for_values<W>(size, [&](long long i) {
        Pack<T, W> pack = load<W>(out + i);
#pragma unroll
        for (int w = 0; w < W; ++w) {
            pack.v[w] = drop(pack.v[w], static_cast<unsigned int>(i) + w);
        }
        store<W>(out + i, pack);
    });
}

// Normal noise in place, on the same grid.
template <typename T, int W>
__global__ void __launch_bounds__(ROW_THREADS) noise(
    const double *deviation, const unsigned int *seed, unsigned int step, const unsigned int *clock,
    unsigned int layer, long long size, T *out) {
    if (deviation[blockIdx.y] == 0.0) return;
    const T scale = static_cast<T>(deviation[blockIdx.y]);
    const Normal normal(seed[blockIdx.y], given(step, clock), layer);
    out += blockIdx.y * size;
    for_values<W>(size, [&](long long i) {
        Pack<T, W> pack = load<W>(out + i);
#pragma unroll
        for (int w = 0; w < W; ++w) {
            pack.v[w] += scale * static_cast<T>(normal(static_cast<unsigned int>(i) + w));
        }
        store<W>(out + i, pack);
    });
}

// What the next step of an epoch reads. A grid of blocks over the rows of a batch, and of orders;
// the last of them, when all have read the clock, counts it up.
template <typename N>
__global__ void __launch_bounds__(ROW_THREADS) begin_step(
    const long long *__restrict__ order, long long total, const N *__restrict__ table,
    long long batches, long long size, long long *clock, long long n, long long *__restrict__ rows,
    N *__restrict__ numbers, unsigned int *__restrict__ step, unsigned int *counter) {
    const long long index = clock[0], first = clock[1], r = blockIdx.y;
    const long long thread = static_cast<long long>(blockIdx.x) * ROW_THREADS + threadIdx.x;
    const long long stride = static_cast<long long>(gridDim.x) * ROW_THREADS;
    order += r * total + index * total / batches;
    for (long long i = thread; i < n; i += stride) rows[r * n + i] = order[i];
    if (r == 0) {
        for (long long i = thread; i < size; i += stride) numbers[i] = table[index * size + i];
        if (thread == 0) *step = static_cast<unsigned int>(first + index);
    }
    if (last_block(counter, gridDim.x * gridDim.y) && threadIdx.x == 0) clock[0] = index + 1;
}

// Rows of a table, their targets and weights. X has values of type S, y has values of type Y. The
// d columns of X are the first of m.
//
// A thread keeps the standardization of its W columns, four times the bytes of a float32 value, in
// registers, and takes as many rows as the grid leaves to it, BATCH of them at a time: where a row
// lies has to be loaded first, so several loads in flight hide twice the latency. Without the room
// for 4 blocks, the compiler spills registers to make room for more.
template <typename S, typename T, typename Y, int W>
__global__ void __launch_bounds__(ROW_THREADS, 4) gather(
    const S *__restrict__ X, const Y *__restrict__ y, const T *__restrict__ weight,
    const long long *__restrict__ rows, const double *__restrict__ offset,
    const double *__restrict__ factor, long long count, long long total, long long n, long long d,
    long long m, long long o, long long orders, long long weightings, T *__restrict__ x_out,
    Y *__restrict__ y_out, T *__restrict__ weight_out) {
    constexpr int BATCH = 4;
    const RowTurns<W> turns;
    const long long r = blockIdx.y, start = turns.first, stride = turns.stride;
    const long long column = turns.column;
    rows += r * n;
    const long long view = view_of(rows, count, total > count);
    if (column < d) {
        double origin[W], unit[W];
#pragma unroll
        for (int w = 0; w < W; ++w) {
            origin[w] = offset[view * d + column + w];
            unit[w] = factor[view * d + column + w];
        }
        const S *from = X + column - view * count * d;
        T *to = x_out + r * n * m + column;
        for (long long i = start; i < n; i += BATCH * stride) {
            Pack<S, W> packs[BATCH];
#pragma unroll
            for (int b = 0; b < BATCH; ++b) {
                if (i + b * stride < n) packs[b] = load<W>(from + rows[i + b * stride] * d);
            }
#pragma unroll
            for (int b = 0; b < BATCH; ++b) {
                if (i + b * stride >= n) break;
                Pack<T, W> pack;
#pragma unroll
                for (int w = 0; w < W; ++w) {
                    const double value = static_cast<double>(packs[b].v[w]);
                    pack.v[w] = static_cast<T>((value - origin[w]) * unit[w]);
                }
                store<W>(to + (i + b * stride) * m, pack);
            }
        }
    }
    if (blockIdx.z > 0) return;
    const long long members = weightings > 0 ? larger(orders, weightings) : 0;
    for (long long i = start; i < n; i += stride) {
        const long long row = rows[i];
        for (long long j = threadIdx.x; j < o; j += blockDim.x) {
            y_out[(r * n + i) * o + j] = y[row * o + j];
        }
        // Batch r serves the members r, r + R, ...; either of the two numbers is 1 or K.
        for (long long k = r + threadIdx.x * orders; k < members; k += blockDim.x * orders) {
            weight_out[k * n + i] = weight[k % weightings * total + row];
        }
    }
}

// Gaps filled and far values pulled in, in the first d of m columns, in place. As above, room for 4
// blocks saves registers from being spilled.
template <typename T, int W>
__global__ void __launch_bounds__(ROW_THREADS, 4) squash(
    const long long *__restrict__ rows, const double *__restrict__ clip,
    const double *__restrict__ fill, long long count, long long views, long long n, long long d,
    long long m, T *__restrict__ x) {
    const RowTurns<W> turns;
    if (turns.column >= d) return;
    const long long r = blockIdx.y, view = view_of(rows + r * n, count, views > 1);
    T bound[W], most[W], gap[W];
#pragma unroll
    for (int w = 0; w < W; ++w) {
        bound[w] = static_cast<T>(clip[view * d + turns.column + w]);
        most[w] = T(codes::FAR) / bound[w];  // infinite without a bound
        gap[w] = static_cast<T>(fill[view * d + turns.column + w]);
    }
    x += r * n * m + turns.column;
    for (long long i = turns.first; i < n; i += turns.stride) {
        Pack<T, W> pack = load<W>(x + i * m);
#pragma unroll
        for (int w = 0; w < W; ++w) {
            T value = pack.v[w];
            value = value > most[w] ? most[w] : value < -most[w] ? -most[w] : value;
            const T scaled = bound[w] * value;
            pack.v[w] = value == value ? value / sqrt(T(1) + scaled * scaled) : gap[w];
        }
        store<W>(x + i * m, pack);
    }
}
