// The scheduler behind cuda_host.h: a block's threads as fibers.
#include "cuda_host.h"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace {
constexpr size_t STACK = 256 << 10, DYNAMIC = 227 << 10, GUARD = 1 << 10;
constexpr unsigned char POISON = 0xFF;  // NaN, or -1

enum class State { FRESH, READY, WAITING_FOR_BLOCK, WAITING_FOR_WARP, DONE };

// Lanes of a warp give what others take; two sets, as a fast lane may give again before a slow
// one has taken.
struct Warp {
    unsigned char given[2][32][8];
    int arrived = 0;
};

struct Fiber {
    std::unique_ptr<unsigned char[]> stack{new unsigned char[STACK]};
    ucontext_t start;
    jmp_buf where;
    dim3 thread;
    State state = State::FRESH;
    bool alive = false;  // waits in live() for its next thread
    int exchanges = 0;
};

std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<Warp> warps;
alignas(256) unsigned char dynamic[GUARD + DYNAMIC + GUARD];
jmp_buf scheduler;
int current, threads, waiting;
host::Span shared;
const char *error;
void (*body)(void **);
void **arguments;

void leave() {
    if (_setjmp(fibers[current]->where) == 0) _longjmp(scheduler, 1);
}

// A fiber lives on after its thread has ended, and takes the next one.
void live() {
    while (true) {
        body(arguments);
        fibers[current]->state = State::DONE;
        leave();
    }
}

void enter(int which) {
    Fiber &fiber = *fibers[which];
    current = which;
    threadIdx = fiber.thread;
    if (_setjmp(scheduler) != 0) return;
    const bool fresh = fiber.state == State::FRESH;
    fiber.state = State::READY;
    if (fresh && !fiber.alive) {
        fiber.alive = true;
        getcontext(&fiber.start);
        fiber.start.uc_stack.ss_sp = fiber.stack.get();
        fiber.start.uc_stack.ss_size = STACK;
        makecontext(&fiber.start, live, 0);
        setcontext(&fiber.start);
    }
    _longjmp(fiber.where, 1);
}

// Wait in `state` until `goal` threads of `group` fibers from `first` on do.
void wait(State state, int first, int group, int *arrived) {
    fibers[current]->state = state;
    if (++*arrived == group) {
        *arrived = 0;
        for (int i = first; i < first + group; ++i) fibers[i]->state = State::READY;
    }
    leave();
}

void order(std::vector<int> &which, unsigned int kind, std::mt19937 &random) {
    std::iota(which.begin(), which.end(), 0);
    if (kind == 1) std::reverse(which.begin(), which.end());
    if (kind == 2) std::shuffle(which.begin(), which.end(), random);
}

void run_block(const host::Launch &launch, std::mt19937 &random) {
    for (int i = 0; i < threads; ++i) {
        Fiber &fiber = *fibers[i];
        fiber.alive = fiber.alive && fiber.state == State::DONE;  // not after an error
        fiber.state = State::FRESH;
        fiber.exchanges = 0;
        const unsigned int row = i / blockDim.x;
        fiber.thread = {i % blockDim.x, row % blockDim.y, row / blockDim.y};
    }
    for (Warp &warp : warps) warp.arrived = 0;
    memset(dynamic + GUARD, POISON, launch.shared_bytes);
    memset(shared.begin, POISON, shared.end - shared.begin);
    waiting = 0;
    std::vector<int> turns(threads);
    for (int done = 0; done < threads && !error;) {
        order(turns, launch.order, random);
        bool moved = false;
        done = 0;
        for (int i : turns) {
            const State state = fibers[i]->state;
            if (state == State::FRESH || state == State::READY) {
                moved = true;
                enter(i);
            }
            if (error) return;
        }
        for (int i = 0; i < threads; ++i) done += fibers[i]->state == State::DONE;
        if (!moved) error = "some threads wait for others that do not come";
    }
}

// Every byte is the one before it, which the C library compares faster than a loop.
bool poisoned(const unsigned char *begin, size_t size) {
    return begin[0] == POISON && memcmp(begin, begin + 1, size - 1) == 0;
}

const char *refusal(const host::Launch &launch) {
    threads = launch.block[0] * launch.block[1] * launch.block[2];
    if (threads < 1 || threads > 1024 || threads % 32) return "a block of 32 to 1024 threads";
    if (launch.grid[1] > 65535 || launch.grid[2] > 65535) return "a grid within 65535";
    if (launch.grid[0] * launch.grid[1] * launch.grid[2] == 0) return "a grid that is not empty";
    if (launch.shared_bytes > DYNAMIC) return "at most 227 KB of shared memory";
    return nullptr;
}
}  // namespace

namespace host {
void block_barrier() { wait(State::WAITING_FOR_BLOCK, 0, threads, &waiting); }

void exchange(unsigned int mask, const void *given, void *taken, int bytes, int source) {
    if (mask != 0xFFFFFFFFu) fail("not all lanes of a warp are named");
    if (source < 0 || source > 31) fail("no such lane");
    Warp &warp = warps[current / 32];
    const int set = fibers[current]->exchanges++ % 2;
    memcpy(warp.given[set][current % 32], given, bytes);
    wait(State::WAITING_FOR_WARP, current / 32 * 32, 32, &warp.arrived);
    memcpy(taken, warp.given[set][source], bytes);
}

void *dynamic_shared() { return dynamic + GUARD; }

void fail(const char *message) {
    error = message;
    _longjmp(scheduler, 1);
}

const char *run(void (*kernel)(void **), void **values, const Launch &launch, Span memory) {
    if (const char *needed = refusal(launch)) return needed;
    body = kernel, arguments = values, shared = memory, error = nullptr;
    memset(dynamic, POISON, sizeof dynamic);
    while (fibers.size() < static_cast<size_t>(threads)) fibers.emplace_back(new Fiber);
    warps.resize(threads / 32);
    blockDim = {launch.block[0], launch.block[1], launch.block[2]};
    gridDim = {launch.grid[0], launch.grid[1], launch.grid[2]};
    std::mt19937 random(launch.seed);
    std::vector<int> blocks(gridDim.x * gridDim.y * gridDim.z);
    order(blocks, launch.order, random);
    for (int i : blocks) {
        const unsigned int row = i / gridDim.x;
        blockIdx = {i % gridDim.x, row % gridDim.y, row / gridDim.y};
        run_block(launch, random);
        if (error) return error;
    }
    // What blocks have written beyond their shared memory is still there.
    const size_t end = GUARD + launch.shared_bytes;
    const bool kept = poisoned(dynamic, GUARD) && poisoned(dynamic + end, sizeof dynamic - end);
    return kept ? nullptr : "written beyond the shared memory";
}
}  // namespace host
