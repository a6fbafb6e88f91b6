//! Misuse of mbarriers, bulk copies, clusters, named barriers, registers and wgmma.

use super::{Suite, faults};
use crate::{OPTIONS, buffer, compile, read, words};
use retrial_emulator::Grid;
use std::sync::OnceLock;

/// The kernels' mbarrier, at byte 8064.
const HEAD: &str = r#"
    extern __shared__ __align__(16) unsigned char memory[];
    __device__ void* bar() { return memory + 8064; }
    __device__ void wait_for_cluster() {
        emulated_cluster_arrive();
        emulated_cluster_wait();
    }
    __device__ void begin(unsigned count) {
        if (threadIdx.x == 0) emulated_mbarrier_init(bar(), count);
        emulated_fence_mbarrier_init();
        wait_for_cluster();
    }
    __device__ unsigned long long describe(unsigned byte) {
        return emulated_shared_address(memory + byte) >> 4 | 128ull >> 4 << 16 | 256ull >> 4 << 32;
    }
    // A product of 16 columns by the calling warp.
    struct Wgmma {
        unsigned a[4] = {};
        float d[8] = {};
        __device__ void issue(unsigned long long b, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
            emulated_wgmma_f16<16>(d, a, b, true, file, line);
        }
        __device__ void start(unsigned long long b, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
            emulated_wgmma_fence();
            issue(b, file, line);
        }
        __device__ void end() {
            emulated_wgmma_commit();
            emulated_wgmma_wait(0);
        }
    };"#;

faults! {
    "cluster_faults", HEAD, Grid::new([4, 1, 1], [256, 1, 1]).clusters(2).shared(8192);

    wait_for_no_mbarrier: "emulated_mbarrier_wait(bar(), 0);"
        => "wait_for_no_mbarrier:1: mbarrier.try_wait at byte 8064 of shared memory of block ";
    arrival_at_no_mbarrier: "emulated_mbarrier_arrive(bar());" => "which nobody initialised";
    overwritten_mbarrier: "begin(1);
        if (t == 0) *(long long*)bar() = p.n[1];
        __syncthreads();
        emulated_mbarrier_arrive(bar());" => "overwritten_mbarrier:4: mbarrier.arrive at byte 8064";
    mbarrier_made_twice: "if (t == 0) {
            emulated_mbarrier_init(bar(), 1);
            emulated_mbarrier_init(bar(), 1);
        }" => "initialises the mbarrier at byte 8064 again, which is in use since mbarrier_made_twice:2";
    mbarrier_for_nobody: "emulated_mbarrier_init(bar(), p.n[0]);"
        => "an mbarrier for 0 arrivals; at least 1, at most 1048575";
    mbarrier_in_global_memory: "emulated_mbarrier_init(p.x, 1);" => "which is not in shared memory";
    too_many_arrivals: "begin(1);
        if (t == 0) emulated_mbarrier_arrive_expect_tx(bar(), 16);
        if (t == 0) emulated_mbarrier_arrive(bar());"
        => "too_many_arrivals:3: one arrival more than the 1 that the mbarrier at byte 8064 takes in a phase";
    too_many_bytes: "begin(1);
        if (t == 0) emulated_mbarrier_arrive_expect_tx(bar(), 1 << 20);" => "of 1048576 bytes; at most 1048575";
    too_many_bytes_in_all: "begin(3);
        if (t < 2) emulated_mbarrier_arrive_expect_tx(bar(), 1 << 19);" => "1048576 bytes under way at the mbarrier";
    bytes_that_never_come: "begin(1);
        if (t == 0) emulated_mbarrier_arrive_expect_tx(bar(), 64);"
        => "exits although 64 bytes that the mbarrier at byte 8064 was told of have not come";
    nobody_arrives: "begin(5);
        if (t < 3) emulated_mbarrier_arrive(bar());
        if (t < 7) emulated_mbarrier_wait(bar(), 0);"
        => "deadlock: nobody can go on; 7 threads, the first at nobody_arrives:3, for parity 0 of the mbarrier at byte \
            8064 of block 0 (phase 0, 2 of 5 arrivals missing, 0 bytes missing); 7 threads";
    parity_of_2: "begin(1);
        emulated_mbarrier_wait(bar(), 2);" => "of parity 2";
    arrival_in_no_block: "begin(1);
        emulated_mbarrier_arrive_cluster(bar(), 2);" => "of block 2 of a cluster of 2";
    unfenced_mbarrier: "if (t == 0) emulated_mbarrier_init(bar(), 1);
        wait_for_cluster();
        if (t == 0) emulated_mbarrier_arrive_cluster(bar(), 1 - emulated_cluster_rank());"
        => "which was initialised at unfenced_mbarrier:1 with no fence.mbarrier_init after";
    arrival_after_an_exit: "begin(1);
        if (t == 0 && emulated_cluster_rank() == 0) emulated_mbarrier_arrive_cluster(bar(), 1);" => "let it wait for";

    bulk_copy_of_8_bytes: "begin(1);
        emulated_bulk_copy(memory, p.x, 8, bar());" => "must be multiples of 16";
    bulk_copy_past_shared_memory: "begin(1);
        emulated_bulk_copy(memory + 8176, p.x, 32, bar());" => "which is not in shared memory (byte 8176 of 8192";
    bulk_copy_from_past_a_buffer: "begin(1);
        if (t == 0) emulated_bulk_copy(memory, p.x, 8000, bar());
        wait_for_cluster();
        emulated_mbarrier_wait(bar(), 0);" => "after bulk_copy_from_past_a_buffer:2, accesses";
    bulk_copies_to_one_place: "begin(1);
        if (t == 0) emulated_bulk_copy(memory, p.x, 64, bar());
        if (t == 0) emulated_bulk_copy(memory + 48, p.x, 32, bar());"
        => "bytes from 48 of shared memory, to which the copy from bulk_copies_to_one_place:2 is under way";
    bulk_copy_under_way: "begin(1);
        if (t == 0) emulated_mbarrier_arrive_expect_tx(bar(), 64);
        if (t == 0) emulated_bulk_copy(memory, p.x, 64, bar());" => "exits although";
    bulk_copy_never_waited_for: "begin(1);
        if (t == 0) emulated_bulk_copy(memory, p.x, 64, bar());
        if (t == 0) emulated_mbarrier_arrive_expect_tx(bar(), 64);
        wait_for_cluster();" => "exits although";
    bulk_copy_to_no_block: "begin(1);
        emulated_bulk_copy_multicast(memory, p.x, 64, bar(), 0);" => "to the blocks 0x0 of a cluster of 2";

    cluster_wait_alone: "emulated_cluster_wait();"
        => "cluster_wait_alone:1: waits at the barrier of the cluster without an arrival";
    cluster_arrival_twice: "emulated_cluster_arrive();
        emulated_cluster_arrive();" => "again without a wait";
    half_a_cluster: "begin(1);
        if (t == 0) emulated_mbarrier_wait(bar(), 0);
        wait_for_cluster();" => "for the barrier of the cluster (510 of 512 threads have arrived)";
    map_to_no_block: "p.x[0] = *emulated_map_shared(memory, 2);" => "mapa to block 2 of a cluster of 2";

    barrier_0: "emulated_barrier_sync(0, 64);" => "1 to 15, for 0 is __syncthreads";
    barrier_of_half_warps: "emulated_barrier_sync(1, 48);"
        => "of 48 threads; whole warps, at most the 256 of the block";
    barrier_of_two_sizes: "if (t / 32 == p.n[0]) emulated_barrier_sync(1, 64);
        else emulated_barrier_sync(1, 96);" => "barrier 1 of ";
    barrier_of_too_few: "if (t < 64) emulated_barrier_sync(3, 96);" => "for barrier 3 (64 of 96 threads have arrived)";
    barrier_twice: "if (t < 32) emulated_barrier_arrive(2, 96);
        if (t < 32) emulated_barrier_arrive(2, 96);" => "warp 0 arrives at barrier 2 again";
    barrier_by_half_a_warp: "if (t % 32 < 16) emulated_barrier_sync(1, 256);
        else __syncthreads();" => "which waits at barrier_by_half_a_warp:2";

    registers_off_8: "emulated_setmaxnreg(100, false);" => "setmaxnreg to 100; a multiple of 8 from 24 to 256";
    fewer_registers_by_inc: "emulated_setmaxnreg(24, true);" => "setmaxnreg.inc to 24 registers from 256";
    more_registers_by_dec: "emulated_setmaxnreg(24, false);
        __syncthreads();
        emulated_setmaxnreg(32, false);" => "setmaxnreg.dec to 32 registers from 24";
    registers_of_three_warps: "if (t >= 32) emulated_setmaxnreg(24, false);" => "set their registers differently";
    registers_of_half_a_warp: "if (t % 32 < 16) emulated_setmaxnreg(24, false);
        else __syncthreads();" => "which waits at registers_of_half_a_warp:2";
    registers_set_again: "if (t < 128) emulated_setmaxnreg(t < 64 ? 24 : 24, false);
        if (t < 64) emulated_setmaxnreg(24, false);
        if (t < 64) emulated_setmaxnreg(24, false);" => "sets registers again before warp";

    wgmma_by_half_a_warp: "Wgmma w;
        if (t % 32 < 16) emulated_wgmma_fence();
        else __syncthreads();" => "which waits at wgmma_by_half_a_warp:3";
    wgmma_by_three_warps: "Wgmma w;
        if (t % 128 >= 32) {
            w.start(describe(0));
            w.end();
        }" => "for the wgmma at wgmma_by_three_warps:3, which only the warps 0xe of their warpgroup have issued";
    wgmma_unlike_others: "Wgmma w;
        w.start(describe(t % 128 < 32 ? 0 : 512));
        w.end();" => "issues another wgmma than others of its warpgroup at wgmma_unlike_others:2";
    wgmma_unlike_lanes: "Wgmma w;
        w.start(describe(t % 2 * 512));" => "wgmma_unlike_lanes:2: lanes of a warp issue different wgmmas";
    wgmma_with_swizzle: "Wgmma w;
        w.start(describe(0) | 1ull << 62);" => "swizzled layouts and base offsets are not emulated";
    wgmma_with_base_offset: "Wgmma w;
        w.start(describe(0) | 1ull << 49);" => "swizzled layouts and base offsets are not emulated";
    wgmma_past_shared_memory: "Wgmma w;
        w.start(describe(8192 - 256));" => "B takes bytes 7936 to 8448 of the 8192 of dynamic shared memory";
    wgmma_without_fence: "Wgmma w;
        w.start(describe(0));
        w.end();
        w.issue(describe(0));" => "wgmma_without_fence:4: wgmma with no wgmma.fence";
    wgmma_without_commit: "Wgmma w;
        w.start(describe(0));
        emulated_wgmma_wait(0);"
        => "exits although the wgmma at wgmma_without_commit:2 was not committed and waited for";
    wgmma_without_wait: "Wgmma w;
        w.start(describe(0));
        emulated_wgmma_commit();"
        => "exits although the wgmma at wgmma_without_wait:2 was not committed and waited for";
    wgmma_of_another_shape: "Wgmma w;
        w.start(describe(0));
        emulated_wgmma_f16<8>((float (&)[4])w.d, w.a, describe(0), true);"
        => "registers of D of a wgmma of another shape that is under way";
    wgmma_of_generic_stores: "Wgmma w;
        if (t < 128) memory[t] = t;
        __syncthreads();
        w.start(describe(0));"
        => "B reads bytes 0 to 512 of shared memory, where a thread wrote with no fence.proxy.async after";
    wgmma_of_changed_operand: "Wgmma w;
        w.start(describe(t / 128 * 1024));
        memory[t / 128 * 1024 + 5] = 5;
        w.end();" => "was written to before all warps had waited for wgmma";
    wgmma_overrun: "Wgmma w;
        begin(1);
        w.start(describe(0));
        emulated_bulk_copy(memory + 496, p.x, 64, bar());"
        => "bytes that the wgmma at wgmma_overrun:3 has yet to read: the stage is overrun";
    wgmma_with_written_a: "Wgmma w;
        w.start(describe(0));
        w.a[2] = 1;
        w.end();" => "the registers of A of the wgmma at wgmma_with_written_a:2 were written to before this wait";
    wgmma_with_written_d: "Wgmma w;
        w.start(describe(0));
        w.d[7] = 1;
        w.end();" => "a register of D of a wgmma was written to before this wait";
    wait_for_8_groups: "emulated_wgmma_wait(8);" => "wgmma.wait_group 8; 0 to 7";
}

/// Blocks read and write each other's shared memory, until one of them has exited.
#[test]
fn shared_memory_of_another_block() {
    let text = r#"
        struct Params { int* out; unsigned long long leave; };
        extern "C" __global__ void map(Params p) {
            extern __shared__ __align__(16) int shared[];
            const unsigned t = threadIdx.x, rank = emulated_cluster_rank(), size = emulated_cluster_size();
            shared[t] = rank * 1000 + t;
            emulated_cluster_arrive();
            emulated_cluster_wait();
            if (p.leave && rank + 1 == size) return;
            p.out[blockIdx.x * blockDim.x + t] = *emulated_map_shared(shared + t, (rank + 1) % size);
            if (p.leave) return;
            *emulated_map_shared(shared + t + 32, (rank + 1) % size) = rank;
            emulated_cluster_arrive();
            emulated_cluster_wait();
            p.out[blockIdx.x * blockDim.x + t] += 100000 * shared[t + 32];
        }"#;
    let Some(program) = compile("map", text, &["map"]) else { return };
    let grid = Grid::new([12, 1, 1], [32, 1, 1]).clusters(4).shared(256);
    let mut faults = String::new();
    for options in OPTIONS {
        let out = buffer(&[0i32; 384]);
        let launch = |leave| {
            let params = words(&[out.address(), leave]);
            // SAFETY: as long as the kernel takes it to be.
            unsafe { program.launch("map", grid, &params, &options) }
        };
        launch(0).unwrap();
        for (at, got) in read(&out, i32::from_ne_bytes).into_iter().enumerate() {
            let (rank, t) = (at as i32 / 32 % 4, at as i32 % 32);
            assert_eq!(got, (rank + 1) % 4 * 1000 + t + 100_000 * ((rank + 3) % 4));
        }
        faults += &launch(1).err().map_or(String::new(), |fault| fault.to_string());
    }
    assert!(faults.contains("of a block that has exited"), "{faults}");
}

/// Blocks of a cluster run on one OS thread, which has one copy of each `__shared__` variable.
#[test]
fn shared_variables_are_not_for_clusters() {
    let text = r#"
        struct Params { int* out; };
        extern "C" __global__ void variables(Params p) {
            __shared__ int values[32];
            values[threadIdx.x] = threadIdx.x;
            p.out[threadIdx.x] = values[31 - threadIdx.x];
        }"#;
    let Some(program) = compile("variables", text, &["variables"]) else { return };
    let out = buffer(&[0i32; 32]);
    let launch = |cluster| {
        let grid = Grid::new([2, 1, 1], [32, 1, 1]).clusters(cluster);
        // SAFETY: as long as the kernel takes it to be.
        unsafe { program.launch("variables", grid, &words(&[out.address()]), &OPTIONS[0]) }
    };
    launch(1).unwrap();
    assert!(launch(2).unwrap_err().to_string().contains("use dynamic shared memory"));
}
