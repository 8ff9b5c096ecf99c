// The group lasso after an optimizer's step; sknorm/kernels/reference/group_steps.py has the
// formulas. Teams of `lanes` threads, a power of two up to a warp, take the groups of rows of a
// member's matrix in turns, and read them again from the cache where one reading is not enough. The
// rows of a group lie in a row: they are one vector. A grid of blocks over groups, and of members.
#include "reduce.cuh"

constexpr int GROUP_THREADS = 256;
constexpr int NEWTON_STEPS = 50;  // one or two are usual

// A matrix whose rows of `width` values make groups, and the thread's place in it.
struct Matrix {
    const long long *groups;  // the first row of each, and the end of the last
    long long count, first;   // groups; of all members' matrices the first value of this
    int width, lanes, lane;

    __device__ __forceinline__ Matrix(
        const long long *groups_, long long count_, long long inputs, long long outputs,
        long long lanes_)
        : groups(groups_),
          count(count_),
          first(blockIdx.y * inputs * outputs),
          width(outputs),
          lanes(lanes_),
          lane(threadIdx.x % lanes_) {}

    // Calls body(place, length, root) for each group that the thread's team takes: its first
    // value, how many it has, and the root of the number of its rows. All teams go round equally
    // often, as they exchange values within warps: with groups of no length.
    template <typename Body>
    __device__ __forceinline__ void for_groups(Body body) const {
        const int teams = GROUP_THREADS / lanes, team = threadIdx.x / lanes;
        const long long turn = static_cast<long long>(gridDim.x) * teams;
        for (long long i = static_cast<long long>(blockIdx.x) * teams; i < count; i += turn) {
            const long long group = i + team < count ? i + team : count - 1, begin = groups[group];
            const int rows = i + team < count ? static_cast<int>(groups[group + 1] - begin) : 0;
            body(first + begin * width, rows * width, sqrt(static_cast<double>(rows)));
        }
    }

    // Calls body(j) for the first of each W values of a group that the thread takes.
    template <int W, typename Body>
    __device__ __forceinline__ void for_values(int end, Body body) const {
#pragma unroll 4
        for (int j = lane * W; j < end; j += lanes * W) body(j);
    }
};

// Euclidean norm of a group, whose values body(j) returns W at a time.
template <int W, typename Body>
__device__ __forceinline__ double group_norm(const Matrix &matrix, int end, Body body) {
    double sum[1] = {};
    matrix.for_values<W>(end, [&](int j) {
        const auto pack = body(j);
#pragma unroll
        for (int w = 0; w < W; ++w) {
            const double value = static_cast<double>(pack.v[w]);
            sum[0] += value * value;
        }
    });
    team_sums(sum, matrix.lanes);
    return sqrt(sum[0]);
}

// What the proximal operator of threshold * norm leaves of a group; NaN stays NaN.
__device__ __forceinline__ double share_of(double norm, double threshold) {
    return norm <= threshold ? 0.0 : 1.0 - threshold / norm;
}

// The sum of the norms of the groups, each times its root, for the monitor.
template <typename T, int W>
__global__ void __launch_bounds__(GROUP_THREADS) group_norms(
    const T *__restrict__ weight, const long long *__restrict__ groups, double scale,
    double batch_size, long long count, long long inputs, long long outputs, long long lanes,
    double *monitor, double *partials, unsigned int *counters) {
    const int k = blockIdx.y;
    const Matrix matrix(groups, count, inputs, outputs, lanes);
    double norms[1] = {};
    matrix.for_groups([&](long long place, int end, double root) {
        const double norm =
            group_norm<W>(matrix, end, [&](int j) { return load<W>(weight + place + j); });
        if (matrix.lane == 0) norms[0] += root * norm;
    });
    if (!grid_sums(norms, partials + static_cast<long long>(k) * gridDim.x, counters + k)) return;
    if (threadIdx.x == 0) monitor[3 * k + 1] += batch_size * scale * norms[0];
}

// The proximal operator of the groups' norms after a step of gradient descent with momentum.
template <typename T, int W>
__global__ void __launch_bounds__(GROUP_THREADS, 4) sgd_group_step(
    T *__restrict__ weight, T *__restrict__ velocity, const long long *__restrict__ groups,
    const double *__restrict__ rate, const double *__restrict__ strength, double momentum,
    long long nesterov, long long count, long long inputs, long long outputs, long long lanes) {
    const double threshold = rate[blockIdx.y] * strength[blockIdx.y];
    if (!(threshold > 0.0)) return;
    const Matrix matrix(groups, count, inputs, outputs, lanes);
    const T inertia = static_cast<T>(nesterov ? momentum : 0.0);
    matrix.for_groups([&](long long place, int end, double root) {
        T *w = weight + place, *v = velocity + place;
        const double norm = group_norm<W>(matrix, end, [&](int j) {
            Pack<T, W> p = load<W>(w + j);
            const Pack<T, W> speed = load<W>(v + j);
#pragma unroll
            for (int i = 0; i < W; ++i) p.v[i] -= inertia * speed.v[i];
            return p;
        });
        const double left = share_of(norm, threshold * root);
        const T share = static_cast<T>(left);
        const bool restarts = nesterov && left == 0.0;
        matrix.for_values<W>(end, [&](int j) {
            Pack<T, W> next = load<W>(w + j), speed = load<W>(v + j);
#pragma unroll
            for (int i = 0; i < W; ++i) {
                const T p = next.v[i] - inertia * speed.v[i], x = share * p;
                speed.v[i] = restarts ? T(0) : speed.v[i] + (x - p);
                next.v[i] = restarts ? T(0) : x + inertia * speed.v[i];
            }
            store<W>(v + j, speed);
            store<W>(w + j, next);
        });
    });
}

// A group p of weights and the strength times its steps, a = limit / (sqrt(v) + epsilon).
template <typename T, int W>
struct AdaptiveGroup {
    T *p;
    const T *v;
    double limit;
    T scale, tiny;
    int end;

    __device__ __forceinline__ T root(T second) const { return sqrt(second) + tiny; }

    // Whether nothing is left of the group; if not, `start` is a lower bound of its norm. Squares are
    // taken in float64, as those of float32 may be too small for it.
    __device__ __forceinline__ bool vanishes(const Matrix &matrix, double &start) const {
        double sums[3] = {};
        matrix.for_values<W>(end, [&](int j) {
            const Pack<T, W> values = load<W>(p + j), second = load<W>(v + j);
#pragma unroll
            for (int i = 0; i < W; ++i) {
                const T under = root(second.v[i]);
                const double value = values.v[i], wide = scale / under, square = value * value;
                const double inner = value * static_cast<double>(under);
                sums[0] += square;
                sums[1] += square * wide;
                sums[2] += inner * inner;
            }
        });
        team_sums(sums, matrix.lanes);
        start = sqrt(sums[0]) - sums[1] / sums[0];
        return sums[2] <= limit * limit;
    }

    // Sums of (p u)^2 and of (p u)^2 u with u = 1 / (r + a).
    __device__ __forceinline__ void moments(
        const Matrix &matrix, double r, double (&sums)[2]) const {
        const T norm = static_cast<T>(r);
        sums[0] = sums[1] = 0.0;
        matrix.for_values<W>(end, [&](int j) {
            const Pack<T, W> values = load<W>(p + j), second = load<W>(v + j);
            T phi = 0, psi = 0;
#pragma unroll
            for (int i = 0; i < W; ++i) {
                const T u = T(1) / (norm + scale / root(second.v[i]));
                const T part = values.v[i] * u;
                phi += part * part;
                psi += part * part * u;
            }
            sums[0] += phi;
            sums[1] += psi;
        });
        team_sums(sums, matrix.lanes);
    }

    __device__ __forceinline__ void shrink(const Matrix &matrix, double r) const {
        const T norm = static_cast<T>(r);
        matrix.for_values<W>(end, [&](int j) {
            Pack<T, W> values = load<W>(p + j);
            const Pack<T, W> second = load<W>(v + j);
#pragma unroll
            for (int i = 0; i < W; ++i) {
                const T share = norm / (norm + scale / root(second.v[i]));
                values.v[i] = norm == T(0) ? T(0) : values.v[i] * share;
            }
            store<W>(p + j, values);
        });
    }
};

// Newton's method for the norm that the proximal operator leaves of a group, from below; 0 stays 0.
// A warp goes on until all its groups are done.
template <typename T, int W>
__device__ __forceinline__ double remaining_norm(
    const Matrix &matrix, const AdaptiveGroup<T, W> &group, double r, double tolerance,
    bool moves) {
    for (int step = 0; step < NEWTON_STEPS && __any_sync(ALL_LANES, moves); ++step) {
        double sums[2];
        group.moments(matrix, r, sums);
        if (!moves) continue;
        const double phi = sums[0], mean = sums[1] / phi, spread = 1.0 - r * mean;
        const double change = (phi * sqrt(phi) - phi) / sums[1];
        r += change;
        if (r <= 0.0) r = 0.0;
        // What the next step could add is at most 1.5 (1 / r - mean) change^2 mean, in units of
        // r + a, as the curvature of phi^(-1/2) is a variance of u: to see it costs no pass.
        moves = r > 0.0 && 1.5 * spread * change * change * mean > tolerance * r;
    }
    return r;
}

// The proximal operator of the groups' norms in Adam's metric, after its step.
template <typename T, int W>
__global__ void __launch_bounds__(GROUP_THREADS, 3) adam_group_step(
    T *__restrict__ weight, const T *__restrict__ second, const long long *__restrict__ groups,
    const double *__restrict__ rate, const double *__restrict__ strength,
    const double *__restrict__ correction, double epsilon, double tolerance, long long decoupled,
    long long count, long long inputs, long long outputs, long long lanes) {
    const double threshold = rate[blockIdx.y] * strength[blockIdx.y];
    if (!(threshold > 0.0)) return;
    const Matrix matrix(groups, count, inputs, outputs, lanes);
    matrix.for_groups([&](long long place, int end, double root) {
        T *p = weight + place;
        if (decoupled) {
            const double norm = group_norm<W>(matrix, end, [&](int j) { return load<W>(p + j); });
            const double share = share_of(norm, threshold * root);
            matrix.for_values<W>(end, [&](int j) {
                Pack<T, W> values = load<W>(p + j);
#pragma unroll
                for (int i = 0; i < W; ++i) values.v[i] = static_cast<T>(share * values.v[i]);
                store<W>(p + j, values);
            });
            return;
        }
        const double limit = threshold * root * correction[blockIdx.y];
        const AdaptiveGroup<T, W> group = {
            p, second + place, limit, static_cast<T>(limit), static_cast<T>(epsilon), end};
        double start;
        const bool vanishes = group.vanishes(matrix, start);
        start = start > 0.0 && !vanishes ? start : 0.0;
        group.shrink(matrix, remaining_norm(matrix, group, start, tolerance, !vanishes));
    });
}
