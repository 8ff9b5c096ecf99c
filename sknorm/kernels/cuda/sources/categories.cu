// Categories: the codes of a batch, rows of weights and embeddings;
// sknorm/kernels/reference/categories.py has their formulas. Kernels that add leave room for 4 blocks:
// without a number, the compiler spills registers to make room for more.
#include "random.cuh"
#include "row_turns.cuh"

constexpr int WARPS = ROW_THREADS / WARP;
constexpr int PLAN_FIELDS = 5;    // of an embedded column; its code column comes first
constexpr int COLUMN_FIELDS = 4;  // of a column of the input that has a value of embeddings

// What the rows of a batch, and their partners in a mixture, contribute.
template <typename T>
struct Mixture {
    T own, other;
    bool mixed;

    __device__ __forceinline__ Mixture(double share, double rate) : mixed(share < 1.0) {
        const double gain = 1.0 / (1.0 - rate);
        own = static_cast<T>(gain * share);
        other = static_cast<T>(gain * (1.0 - share));
    }
};

template <typename T, int W>
__device__ __forceinline__ void add(T factor, const Pack<T, W> &values, Pack<T, W> &sum) {
#pragma unroll
    for (int w = 0; w < W; ++w) sum.v[w] += factor * values.v[w];
}

// Adds the values of a place, of rows with a stride; nothing below 0.
template <typename T, int W>
__device__ __forceinline__ void add_place(
    T factor, int place, const T *values, long long stride, Pack<T, W> &sum) {
    if (place >= 0) add(factor, load<W>(values + place * stride), sum);
}

// Places of the codes of a batch's rows in some of a table's m columns; below 0 there is none.
template <typename C>
__global__ void __launch_bounds__(ROW_THREADS) take_codes(
    const C *__restrict__ codes, const long long *__restrict__ columns,
    const long long *__restrict__ rows, const long long *__restrict__ starts,
    const C *__restrict__ places, long long count, long long m, long long views, long long levels,
    long long n, long long c, C *__restrict__ out) {
    const RowTurns<1> turns;
    if (turns.column >= c) return;
    rows += blockIdx.y * n;
    const long long view = view_of(rows, count, views > 1), column = columns[turns.column];
    codes += column - view * count * m;
    places += view * levels + starts[turns.column];
    out += blockIdx.y * n * c + turns.column;
    for (long long i = turns.first; i < n; i += turns.stride) {
        out[i * c] = places[column < 0 ? 0 : codes[rows[i] * m]];
    }
}

// Places dropped at random, in place.
template <typename C>
__global__ void __launch_bounds__(ROW_THREADS) drop_codes(
    const double *rate, const unsigned int *seed, unsigned int step, const unsigned int *clock,
    unsigned int layer, long long n, long long c, C *out) {
    const RowTurns<1> turns;
    const Dropout<float> drop(rate[blockIdx.y], seed[blockIdx.y], given(step, clock), layer);
    if (!drop.active() || turns.column >= c) return;
    out += blockIdx.y * n * c;
    for (long long i = turns.first; i < n; i += turns.stride) {
        const long long element = i * c + turns.column;
        if (!drop.keeps(static_cast<unsigned int>(element))) out[element] = -1;
    }
}

// Rows of weights added to those of z: h code columns, of c, have some.
template <typename T, int W>
__global__ void __launch_bounds__(ROW_THREADS, 4) category_rows_forward(
    const int *__restrict__ codes, const long long *__restrict__ columns,
    const double *__restrict__ share, const double *__restrict__ rate,
    const T *__restrict__ weight, long long batches, long long n, long long c, long long h,
    long long m, long long d, long long first, long long start, long long stop,
    T *__restrict__ z) {
    const RowTurns<W> turns;
    const long long k = blockIdx.y, column = start + turns.column;
    if (column >= stop) return;
    const Mixture<T> mixture(share[k], rate[k]);
    codes += k % batches * n * c;
    weight += (k * m + first) * d + column;
    z += k * n * d + column;
    for (long long i = turns.first; i < n; i += turns.stride) {
        const int *own = codes + i * c, *other = codes + (n - 1 - i) * c;
        Pack<T, W> sum = load<W>(z + i * d);
        for (long long q = 0; q < h; ++q) {
            add_place(mixture.own, own[columns[q]], weight, d, sum);
            if (mixture.mixed) add_place(mixture.other, other[columns[q]], weight, d, sum);
        }
        store<W>(z + i * d, sum);
    }
}

// Embeddings written into the input's columns that the table says: of each the code column, its
// place among the m of x, the width of its vectors, and where its value of place 0 stands.
template <typename T>
__global__ void __launch_bounds__(ROW_THREADS, 4) embedding_forward(
    const int *__restrict__ codes, const double *__restrict__ share,
    const double *__restrict__ rate, const long long *__restrict__ columns,
    const T *__restrict__ table, long long batches, long long n, long long c, long long embedded,
    long long t, long long m, T *__restrict__ x) {
    const RowTurns<1> turns;
    if (turns.column >= embedded) return;
    const long long k = blockIdx.y, *of = columns + turns.column * COLUMN_FIELDS;
    const Mixture<T> mixture(share[k], rate[k]);
    const long long width = of[2];
    codes += k % batches * n * c + of[0];
    x += k * n * m + of[1];
    table += k * t + of[3];
    for (long long i = turns.first; i < n; i += turns.stride) {
        Pack<T, 1> sum = {};
        add_place(mixture.own, codes[i * c], table, width, sum);
        if (mixture.mixed) add_place(mixture.other, codes[(n - 1 - i) * c], table, width, sum);
        x[i * m] = sum.v[0];
    }
}

// The terms of a member's gradient, in the order of the batch: row by row, code column by code
// column, a row's own category before its partner's.
template <typename T>
struct Terms {
    const int *codes;
    const long long *columns;
    Mixture<T> mixture;
    long long n, c, h;

    // Sum over the terms of a place. All lanes of a warp come here with the same: they look at a
    // code each, and then all add what was found, each for the W columns that `from` begins with
    // in rows with a stride, if it is `inside` of them.
    template <int W>
    __device__ __forceinline__ Pack<T, W> sum(
        long long place, const T *from, long long stride, bool inside) const {
        const int of_row = larger(1, mixture.mixed ? 2 * h : h);
        const int down = WARP / of_row, across = WARP % of_row;
        int row = threadIdx.x % WARP / of_row, term = threadIdx.x % WARP % of_row;
        Pack<T, W> sum = {};
        for (long long left = h > 0 ? n * of_row : 0; left > 0; left -= WARP) {
            const bool found = row < n && code(row, term) == place;
            add_found(__ballot_sync(ALL_LANES, found), row, from, stride, inside, sum);
            row += down;
            term += across;
            if (term >= of_row) {
                term -= of_row;
                ++row;
            }
        }
        return sum;
    }

   private:
    __device__ __forceinline__ int code(long long row, int term) const {
        const long long column = columns[mixture.mixed ? term / 2 : term];
        return codes[(is_partners(term) ? n - 1 - row : row) * c + column];
    }

    // Lanes take neighbouring terms, of which a mixed row has an even number: a lane's are all of
    // one kind.
    __device__ __forceinline__ bool is_partners(int lane) const { return mixture.mixed && lane % 2; }

    // Add the rows of the lanes in `found`, BATCH loads of them at a time.
    template <int W>
    __device__ __forceinline__ void add_found(
        unsigned int found, int row, const T *from, long long stride, bool inside,
        Pack<T, W> &sum) const {
        constexpr int BATCH = 4;
        while (found != 0u) {
            Pack<T, W> packs[BATCH];
            T factors[BATCH];
#pragma unroll
            for (int b = 0; b < BATCH; ++b) {
                const int lane = __ffs(found) - 1;  // -1 if there is none, which adds 0
                const long long i = __shfl_sync(ALL_LANES, row, lane & (WARP - 1));
                factors[b] = is_partners(lane) ? mixture.other : mixture.own;
                packs[b] = lane >= 0 && inside ? load<W>(from + i * stride) : Pack<T, W>{};
                found &= found - 1u;
            }
#pragma unroll
            for (int b = 0; b < BATCH; ++b) add(factors[b], packs[b], sum);
        }
    }
};

// Gradient of rows of weights. A grid of blocks over these rows, over members, and over tiles of
// columns. A warp takes a row and looks at all codes of the batch for it, 32 at a time, so the
// time grows with the product of the numbers of both; no sum is shared by two warps.
template <typename T, int W>
__global__ void __launch_bounds__(ROW_THREADS, 4) category_rows_backward(
    const int *__restrict__ codes, const long long *__restrict__ columns,
    const double *__restrict__ share, const double *__restrict__ rate, const T *__restrict__ dz,
    long long batches, long long n, long long c, long long h, long long m, long long d,
    long long first, long long start, long long stop, T *__restrict__ dweight) {
    const long long k = blockIdx.y;
    const long long tile = static_cast<long long>(blockIdx.z) * WARP + threadIdx.x % WARP;
    const long long column = start + tile * W;
    const Terms<T> terms{
        codes + k % batches * n * c, columns, Mixture<T>(share[k], rate[k]), n, c, h};
    dz += k * n * d + column;
    dweight += (k * m + first) * d + column;
    const long long stride = static_cast<long long>(gridDim.x) * WARPS;
    long long place = static_cast<long long>(blockIdx.x) * WARPS + threadIdx.x / WARP;
    for (; place < m - first; place += stride) {
        const Pack<T, W> sum = terms.template sum<W>(place, dz, d, column < stop);
        if (column < stop) store<W>(dweight + place * d, sum);
    }
}

// Gradient of embeddings, likewise. A grid of blocks over vectors, members, and embedded columns.
template <typename T>
__global__ void __launch_bounds__(ROW_THREADS, 4) embedding_backward(
    const int *__restrict__ codes, const double *__restrict__ share,
    const double *__restrict__ rate, const long long *__restrict__ plan,
    const T *__restrict__ dx, long long batches, long long n, long long c, long long first,
    long long w, long long t, T *__restrict__ dtable) {
    const long long k = blockIdx.y, *of = plan + blockIdx.z * PLAN_FIELDS;
    const long long width = of[2], levels = of[4];
    const Terms<T> terms{codes + k % batches * n * c, of, Mixture<T>(share[k], rate[k]), n, c, 1};
    dx += k * n * w + of[1] - first;
    dtable += k * t + of[3];
    const long long stride = static_cast<long long>(gridDim.x) * WARPS;
    long long place = static_cast<long long>(blockIdx.x) * WARPS + threadIdx.x / WARP;
    for (; place < levels; place += stride) {
        for (long long tile = 0; tile < width; tile += WARP) {
            const long long j = tile + threadIdx.x % WARP;
            const Pack<T, 1> sum = terms.template sum<1>(place, dx + j, w, j < width);
            if (j < width) dtable[place * width + j] = sum.v[0];
        }
    }
}
