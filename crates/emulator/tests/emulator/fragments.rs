//! Which lane and register holds which element, against tables written from the PTX ISA's text.

use crate::{OPTIONS, compile, read, words};
use retrial_emulator::{Grid, Memory};

/// Four 8x8 matrices of b16 from rows in an order of their own, each element its number: matrix, row, column.
#[test]
fn ldmatrix_gives_each_lane_its_pair() {
    let text = r#"
        struct Params { unsigned *four, *two; };
        extern "C" __global__ void load(Params p) {
            extern __shared__ __align__(16) unsigned short elements[];
            const unsigned l = threadIdx.x;
            // Rows lie 32 bytes apart, the last matrix first.
            for (unsigned i = 0; i < 8; ++i) elements[(31 - l) * 16 + i] = l / 8 << 8 | l % 8 << 4 | i;
            __syncthreads();
            unsigned four[4], two[2];
            emulated_ldmatrix_x4(four, elements + (31 - l) * 16);
            emulated_ldmatrix_x2(two, l < 16 ? elements + (31 - l) * 16 : nullptr);
            for (int i = 0; i < 4; ++i) p.four[l * 4 + i] = four[i];
            for (int i = 0; i < 2; ++i) p.two[l * 2 + i] = two[i];
            if (emulated_shared_address(elements + 8) != emulated_shared_address(elements) + 16) p.two[0] = 0;
        }"#;
    // Lanes by row and pair of columns, as in the figure for one 8x8 matrix.
    let lanes: [[u32; 4]; 8] = [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11],
        [12, 13, 14, 15],
        [16, 17, 18, 19],
        [20, 21, 22, 23],
        [24, 25, 26, 27],
        [28, 29, 30, 31],
    ];
    let Some(program) = compile("load", text, &["load"]) else { return };
    for options in OPTIONS {
        let (four, two) = (Memory::allocate(4 * 128).unwrap(), Memory::allocate(4 * 64).unwrap());
        let params = words(&[four.address(), two.address()]);
        // SAFETY: as long as the kernel takes them to be.
        unsafe { program.launch("load", Grid::new([1; 3], [32, 1, 1]).shared(1024), &params, &options) }.unwrap();
        for (out, matrices) in [(four, 4), (two, 2)] {
            let out = read(&out, u32::from_ne_bytes);
            for (row, lanes) in lanes.iter().enumerate() {
                for (pair, &lane) in lanes.iter().enumerate() {
                    for matrix in 0..matrices {
                        let first = (matrix * 256 + row * 16 + 2 * pair) as u32;
                        assert_eq!(out[lane as usize * matrices + matrix], first + 65_536 * (first + 1));
                    }
                }
            }
        }
    }
}
