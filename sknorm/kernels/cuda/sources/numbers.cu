// Embeddings of numbers, linear between the edges of bins; sknorm/kernels/reference/numbers.py has
// their formulas.
#include "row_turns.cuh"

constexpr int WARPS = ROW_THREADS / WARP;
constexpr int INPUT_FIELDS = 6;
constexpr int VECTORS = WARPS;  // of a column, whose gradient a block computes: a warp finishes one

// A column of the input: its number's and its own, the width of the number's vectors, 0 if it is
// the number itself, where its own value of the first of them stands in the table, and the bins.
struct Input {
    long long number, column, width, begin, start;
    int bins;

    __device__ __forceinline__ explicit Input(const long long *of)
        : number(of[0]),
          column(of[1]),
          width(of[2]),
          begin(of[3]),
          start(of[4]),
          bins(static_cast<int>(of[5])) {}
};

// What a number fills of its bins: those before its own, and a share of that. Below all of them its
// own is -1.
template <typename T>
struct Filled {
    int own;
    T share;

    __device__ __forceinline__ Filled(
        const double *low, const double *gain, int bins, double number) {
        int begun = 0, last = bins;  // bins that begin at the number or below, found by halves
        while (begun < last) {
            const int middle = (begun + last) / 2;
            if (number >= low[middle]) {
                begun = middle + 1;
            } else {
                last = middle;
            }
        }
        own = begun - 1;
        const double part = own < 0 ? 0.0 : (number - low[own]) * gain[own];
        share = static_cast<T>(part < 1.0 ? part : 1.0);
    }

    // What vector v of the number counts: the first is the slope, and those of the bins follow.
    __device__ __forceinline__ T factor(int v, T number) const {
        if (v == 0) return number;
        return v <= own ? T(1) : v == own + 1 ? share : T(0);
    }
};

// Sums of the vectors of all bins below each but the first, where the vector of the last of them
// stands in the table. A grid of blocks over `count` columns of the input, and of members.
template <typename T>
__global__ void __launch_bounds__(ROW_THREADS) number_embedding_sums(
    const long long *__restrict__ inputs, const T *__restrict__ table, long long count,
    long long t, T *__restrict__ sums) {
    const long long j = static_cast<long long>(blockIdx.x) * ROW_THREADS + threadIdx.x;
    if (j >= count) return;
    const Input input(inputs + j * INPUT_FIELDS);
    if (input.width == 0) return;
    const T *vector = table + blockIdx.y * t + input.begin;
    T *to = sums + blockIdx.y * t + input.begin, sum = 0;
    for (int bin = 1; bin < input.bins; ++bin) {
        sum += vector[bin * input.width];
        to[bin * input.width] = sum;
    }
}

// Embeddings written into `count` of the m columns of x.
template <typename T>
__global__ void __launch_bounds__(ROW_THREADS) number_embedding_forward(
    const long long *__restrict__ rows, const double *__restrict__ low,
    const double *__restrict__ gain, const long long *__restrict__ inputs,
    const T *__restrict__ numbers, const T *__restrict__ table, const T *__restrict__ sums,
    long long length, long long table_rows, long long views, long long edges, long long batches,
    long long n, long long d, long long count, long long t, long long m, T *__restrict__ x) {
    const RowTurns<1> turns;
    if (turns.column >= count) return;
    const Input input(inputs + turns.column * INPUT_FIELDS);
    const long long k = blockIdx.y, r = k % batches;
    numbers += r * n * d + input.number;
    x += k * n * m + input.column;
    if (input.width == 0) {
        for (long long i = turns.first; i < n; i += turns.stride) x[i * m] = numbers[i * d];
        return;
    }
    const long long bins = view_of(rows + r * length, table_rows, views > 1) * edges + input.start;
    table += k * t + input.begin;
    sums += k * t + input.begin;
    const T slope = table[0];
    for (long long i = turns.first; i < n; i += turns.stride) {
        const T number = numbers[i * d];
        const Filled<T> filled(low + bins, gain + bins, input.bins, number);
        const long long below = filled.own * input.width;
        T value = (filled.own > 0 ? sums[below] : T(0)) + number * slope;
        if (filled.own >= 0) value += filled.share * table[below + input.width];
        x[i * m] = value;
    }
}

// Gradient of the vectors. A grid of blocks over so many of a column's vectors, over members, and
// over tiles of `count` columns of the input. A lane takes a column; the warps take the rows in
// turns, and their sums are added one after the other.
template <typename T>
__global__ void __launch_bounds__(ROW_THREADS) number_embedding_backward(
    const long long *__restrict__ rows, const double *__restrict__ low,
    const double *__restrict__ gain, const long long *__restrict__ inputs,
    const T *__restrict__ numbers, const T *__restrict__ dx, long long length,
    long long table_rows, long long views, long long edges, long long batches, long long n,
    long long d, long long count, long long m, long long t, T *__restrict__ dtable) {
    __shared__ T partials[VECTORS][WARPS][WARP];
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const long long k = blockIdx.y, r = k % batches;
    const long long column = static_cast<long long>(blockIdx.z) * WARP + lane;
    const Input input(inputs + smaller(column, count - 1) * INPUT_FIELDS);
    const int vectors = column < count && input.width > 0 ? input.bins + 1 : 0;
    const int first = blockIdx.x * VECTORS;
    T sums[VECTORS] = {};
    if (first < vectors && n > 0) {
        const long long view = view_of(rows + r * length, table_rows, views > 1);
        const long long bins = view * edges + input.start;
        numbers += r * n * d + input.number;
        dx += k * n * m + input.column;
        for (long long i = warp; i < n; i += WARPS) {
            const T number = numbers[i * d], value = dx[i * m];
            const Filled<T> filled(low + bins, gain + bins, input.bins, number);
#pragma unroll
            for (int v = 0; v < VECTORS; ++v) sums[v] += filled.factor(first + v, number) * value;
        }
    }
#pragma unroll
    for (int v = 0; v < VECTORS; ++v) partials[v][warp][lane] = sums[v];
    __syncthreads();
    const int vector = first + warp;
    if (vector >= vectors) return;
    T sum = 0;
#pragma unroll
    for (int p = 0; p < WARPS; ++p) sum += partials[warp][p][lane];
    dtable[k * t + input.begin + vector * input.width] = sum;
}
