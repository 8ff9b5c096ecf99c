// Steps that the kernels of batch norm share, on some columns of a group of rows.
#include "activations.cuh"
#include "columns.cuh"

// Rows of the statistics, (K, G, 8, d): those that the reference describes, and what is scratch
// there. The sum of the weights is left to the backward pass.
enum Statistic { MEAN, REST, INVERSE, GAIN, CENTRE, SLOPE, TOTAL, STATISTICS = 8 };

// Sums over groups: of the mean and of the unbiased variance of a column, times the groups' sums
// of weights, and of these.
struct Moments {
    double mean, unbiased, total;

    __device__ __forceinline__ void add(Moments other) {
        mean += other.mean;
        unbiased += other.unbiased;
        total += other.total;
    }
};

// A column's statistics, given weighted sums of its deviations from `origin` and of their squares
// (Chan, Golub and LeVeque, 1983). A group without weight has mean 0.
template <typename T>
struct ColumnStatistics {
    T mean, rest, inverse, gain, total;
    Moments moments;

    __device__ __forceinline__ ColumnStatistics(
        double sum_of_weights, T origin, double sum, double squares, T scale, double epsilon) {
        const double share = sum_of_weights == 0.0 ? 0.0 : 1.0 / sum_of_weights;
        const double base = sum_of_weights == 0.0 ? 0.0 : static_cast<double>(origin);
        const double correction = sum * share;
        double variance = squares * share - correction * correction;
        variance = variance < 0.0 ? 0.0 : variance;  // NaN stays
        const double deviation = 1.0 / sqrt(variance + epsilon);
        const double size = sum_of_weights < 2.0 ? 2.0 : sum_of_weights;
        const double unbiased = variance * (size / (size - 1.0));
        moments = {
            sum_of_weights * (base + correction), sum_of_weights * unbiased, sum_of_weights};
        mean = static_cast<T>(base + correction);
        rest = static_cast<T>((base - static_cast<double>(mean)) + correction);
        inverse = static_cast<T>(deviation);
        gain = static_cast<T>(deviation * static_cast<double>(scale));
        total = static_cast<T>(sum_of_weights);
    }

    __device__ __forceinline__ ColumnStatistics(const T *from, int d)
        : mean(*row_of(from, MEAN, d)),
          rest(*row_of(from, REST, d)),
          inverse(*row_of(from, INVERSE, d)),
          gain(*row_of(from, GAIN, d)),
          total(*row_of(from, TOTAL, d)) {}

    __device__ __forceinline__ void store(T *to, int d) const {
        *row_of(to, MEAN, d) = mean;
        *row_of(to, REST, d) = rest;
        *row_of(to, INVERSE, d) = inverse;
        *row_of(to, GAIN, d) = gain;
        *row_of(to, TOTAL, d) = total;
    }
};

// What the gradient of a column subtracts, w (centre + (z - mean) slope), and the group's share
// of dscale, given the sums over the group of da and of da (z - mean).
template <typename T>
struct Projection {
    T centre, slope;
    double scale;

    __device__ __forceinline__ Projection(
        const ColumnStatistics<T> &column, double sum, double product) {
        const double inverse = column.inverse, gain = column.gain, rest = column.rest;
        const double share = column.total == T(0) ? 0.0 : 1.0 / static_cast<double>(column.total);
        scale = (product - rest * sum) * inverse;
        const double tilt = gain * scale * inverse * share;
        centre = static_cast<T>(gain * sum * share - rest * tilt);
        slope = static_cast<T>(tilt);
    }
};

// The running mean and variance of a column, which move by the momentum towards the batch's.
struct Running {
    double mean, variance;

    __device__ __forceinline__ Running(const double *from, int d) : mean(from[0]), variance(from[d]) {}

    __device__ __forceinline__ void move(
        double momentum, Moments batch, int d, double *to) const {
        if (!(momentum > 0.0) || batch.total == 0.0) return;
        to[0] = mean + momentum * (batch.mean / batch.total - mean);
        to[d] = variance + momentum * (batch.unbiased / batch.total - variance);
    }
};

// The term that turns gain * (z - mean - rest) + shift into gain * (z - mean) + offset.
template <typename T>
__device__ __forceinline__ T offset_of(T shift, T rest, T gain) {
    return static_cast<T>(shift - static_cast<double>(rest) * static_cast<double>(gain));
}

// W columns of a block, from some row on: a = (z - mean) gain + offset, dropout, and their
// gradients.
template <typename T, int W, int ACTIVATION>
struct Columns {
    Pack<T, W> mean, gain, offset;
    Dropout<T> drop;
    unsigned int element;  // of the first row and column
    int d;

    // From the first of these columns in a group's statistics and in the shift.
    __device__ __forceinline__ Columns(
        const T *statistics, const T *shift, const Dropout<T> &drop_, unsigned int element_, int d_)
        : mean(load<W>(row_of(statistics, MEAN, d_))),
          gain(load<W>(row_of(statistics, GAIN, d_))),
          offset(load<W>(shift)),
          drop(drop_),
          element(element_),
          d(d_) {
        const Pack<T, W> rest = load<W>(row_of(statistics, REST, d));
#pragma unroll
        for (int w = 0; w < W; ++w) offset.v[w] = offset_of(offset.v[w], rest.v[w], gain.v[w]);
    }

    // From shared memory: means, gains and offsets of `count` columns.
    __device__ __forceinline__ Columns(
        const T *shared, int count, const Dropout<T> &drop_, unsigned int element_, int d_)
        : mean(load<W>(shared)),
          gain(load<W>(shared + count)),
          offset(load<W>(shared + 2 * count)),
          drop(drop_),
          element(element_),
          d(d_) {}

    __device__ __forceinline__ Pack<T, W> output(int row, Pack<T, W> z) const {
#pragma unroll
        for (int w = 0; w < W; ++w) {
            z.v[w] = activate<ACTIVATION>((z.v[w] - mean.v[w]) * gain.v[w] + offset.v[w]);
        }
        drop_pack(drop, element + static_cast<unsigned int>(row) * d, z);
        return z;
    }

    // From the gradient of the output that of the pre-activation; z becomes z - mean.
    __device__ __forceinline__ void differentiate(
        int row, Pack<T, W> &z, Pack<T, W> &gradient) const {
        drop_pack(drop, element + static_cast<unsigned int>(row) * d, gradient);
#pragma unroll
        for (int w = 0; w < W; ++w) {
            z.v[w] -= mean.v[w];
            gradient.v[w] *= derivative<ACTIVATION>(z.v[w] * gain.v[w] + offset.v[w]);
        }
    }

    // From that of the pre-activation that of z, given z - mean.
    __device__ __forceinline__ Pack<T, W> input_gradient(
        T weight, const Pack<T, W> &centre, const Pack<T, W> &slope, const Pack<T, W> &deviation,
        Pack<T, W> gradient) const {
#pragma unroll
        for (int w = 0; w < W; ++w) {
            const T projection = centre.v[w] + deviation.v[w] * slope.v[w];
            gradient.v[w] = gain.v[w] * gradient.v[w] - weight * projection;
        }
        return gradient;
    }
};

// Gradients of the pre-activations of some rows, and their products with z - mean, added up;
// `keep` is given what was added.
template <typename T, int W, int ACTIVATION, typename Keep>
__device__ __forceinline__ void add_gradients(
    const Columns<T, W, ACTIVATION> &map, const T *z, const T *dout, int rows,
    double (&sums)[2 * W], Keep keep) {
    constexpr int U = BACKWARD_ROWS;
    for (int i = threadIdx.y; i < rows; i += U * blockDim.y) {
        Pack<T, W> x[U], dy[U];
        load_rows(z, i, rows, map.d, x);
        load_rows(dout, i, rows, map.d, dy);
        T sum[W] = {}, products[W] = {};
#pragma unroll
        for (int u = 0; u < U; ++u) {
            map.differentiate(i + u * blockDim.y, x[u], dy[u]);
            keep(x[u], dy[u]);
#pragma unroll
            for (int w = 0; w < W; ++w) {
                sum[w] += dy[u].v[w];
                products[w] += dy[u].v[w] * x[u].v[w];
            }
        }
#pragma unroll
        for (int w = 0; w < W; ++w) {
            sums[w] += sum[w];
            sums[W + w] += products[w];
        }
    }
}
