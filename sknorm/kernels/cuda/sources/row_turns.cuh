// Blocks that take rows in turns: a grid of them over rows, over batches or members, and over tiles
// of columns. Threads lie along the columns, W of them to a thread, then along the rows.
#include "common.cuh"

constexpr int ROW_THREADS = 256;

template <int W>
struct RowTurns {
    long long first, stride;  // of the thread's rows
    long long column;         // the first of its columns, which may lie beyond the last

    __device__ __forceinline__ RowTurns()
        : first(static_cast<long long>(blockIdx.x) * blockDim.y + threadIdx.y),
          stride(static_cast<long long>(gridDim.x) * blockDim.y),
          column((static_cast<long long>(blockIdx.z) * blockDim.x + threadIdx.x) * W) {}
};

// The view of a batch of rows, if a table of `count` rows has several.
__device__ __forceinline__ long long view_of(
    const long long *rows, long long count, bool several) {
    return several ? rows[0] / count : 0;
}
