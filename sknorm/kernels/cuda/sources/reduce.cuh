// Sums over warps, blocks and grids whose order depends on nothing but the shape of the launch.
#include "common.cuh"

__device__ __forceinline__ int thread_index() {
    return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}

__device__ __forceinline__ int block_threads() { return blockDim.x * blockDim.y * blockDim.z; }

// Sum over a warp, the same bits on each lane: both partners of an exchange add the same two.
template <typename T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
    for (int lane = WARP / 2; lane > 0; lane /= 2) {
        value += __shfl_xor_sync(ALL_LANES, value, lane);
    }
    return value;
}

// N sums over teams of `lanes` neighbours, a power of two up to a warp: the same bits on each lane.
template <int N, typename T>
__device__ __forceinline__ void team_sums(T (&values)[N], int lanes) {
    for (int step = lanes / 2; step > 0; step /= 2) {
#pragma unroll
        for (int i = 0; i < N; ++i) values[i] += __shfl_xor_sync(ALL_LANES, values[i], step);
    }
}

template <typename T>
__device__ __forceinline__ T warp_max(T value) {
#pragma unroll
    for (int lane = WARP / 2; lane > 0; lane /= 2) {
        const T other = __shfl_xor_sync(ALL_LANES, value, lane);
        value = other > value ? other : value;
    }
    return value;
}

// N sums over a block at once, the same bits on each thread; all threads must take part. The
// block's threads are a multiple of a warp. The last barrier lets the next call use the same
// shared memory.
template <int N, typename T>
__device__ __forceinline__ void block_sums(T (&values)[N]) {
    __shared__ T partials[N][WARP];
    const int thread = thread_index();
    const int lane = thread % WARP, warp = thread / WARP, warps = block_threads() / WARP;
#pragma unroll
    for (int i = 0; i < N; ++i) {
        values[i] = warp_sum(values[i]);
        if (lane == 0) partials[i][warp] = values[i];
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] = warp_sum(lane < warps ? partials[i][lane] : T(0));
    __syncthreads();
}

template <typename T>
__device__ __forceinline__ T block_sum(T value) {
    T values[1] = {value};
    block_sums(values);
    return values[0];
}

// Whether this block is the last of `blocks` that come here with the same counter; all its
// threads then see what all threads of the others wrote before. The counter is 0 at first, and
// again after the last block. What others wrote is read by load_shared: L1 may hold older values.
__device__ __forceinline__ bool last_block(unsigned int *counter, unsigned int blocks) {
    __shared__ unsigned int order;
    __threadfence();
    __syncthreads();
    if (thread_index() == 0) {
        order = atomicAdd(counter, 1u);
        if (order == blocks - 1u) *counter = 0u;
    }
    __syncthreads();
    __threadfence();
    return order == blocks - 1u;
}

// A value that another block of the same grid wrote.
template <typename T>
__device__ __forceinline__ T load_shared(const T *from) {
    return __ldcg(from);
}

// N sums over the blocks along the grid's first axis, each block's in `partials`, where there is
// room for N * gridDim.x. True in the last block, all of whose threads then have the sums.
template <int N>
__device__ __forceinline__ bool grid_sums(
    double (&values)[N], double *partials, unsigned int *counter) {
    block_sums(values);
    if (gridDim.x == 1) return true;
    const int thread = thread_index();
    if (thread == 0) {
#pragma unroll
        for (int i = 0; i < N; ++i) partials[i * gridDim.x + blockIdx.x] = values[i];
    }
    if (!last_block(counter, gridDim.x)) return false;
#pragma unroll
    for (int i = 0; i < N; ++i) {
        values[i] = 0.0;
        for (unsigned int b = thread; b < gridDim.x; b += block_threads()) {
            values[i] += load_shared(partials + i * gridDim.x + b);
        }
    }
    block_sums(values);
    return true;
}
