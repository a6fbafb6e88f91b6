//! Machine code whose result is read before it is there: the assembler, not the hardware, waits for instructions of fixed
//! latency, by a count of cycles in each.
//!
//! NVRTC 13.0 once counted wrong, for sm_90 alone: where `CS2R` writes zeros to a pair of registers under a predicate and
//! another instruction writes it otherwise, such as where a pointer is null or not, it waited five cycles. On an H100 the
//! kernel compared what the registers had held before, and copied from address 16. Everywhere else it waits nine or more.

use crate::{
    census::disassembler,
    nvrtc::{Cubin, compiler, cubins, in_parallel},
};
use retrial_cuda::{Program, programs};
use std::{fs, process::Command};

/// Cycles until the registers that `CS2R` writes can be read.
const LATENCY: u64 = 9;

struct Instruction {
    /// `@P3 CS2R R10, SRZ`.
    text: String,
    /// Cycles until the next instruction issues, at the least.
    stall: u64,
}

/// Instructions of a disassembly with encodings, in order, with `None` where straight-line code ends: at labels, and behind
/// what branches.
fn instructions(listing: &str) -> Vec<Option<Instruction>> {
    let mut found = vec![];
    let mut text = None;
    for line in listing.lines().map(str::trim_start) {
        if line.starts_with('.') {
            found.push(None);
        }
        let Some((_, hex)) = line.trim_end().trim_end_matches(" */").rsplit_once("/* 0x") else { continue };
        // An instruction has two lines: its address, its text and the lower half; then the upper half, with the count.
        match line
            .strip_prefix("/*")
            .and_then(|line| line.split_once("*/"))
            .filter(|(address, _)| !address.contains("0x"))
        {
            Some((_, rest)) => text = rest.split_once(';').map(|(text, _)| text.trim().to_string()),
            None => {
                let Some(text) = text.take() else { continue };
                let ends = ["BRA", "EXIT", "RET", "BRX", "CALL"].iter().any(|name| text.contains(name));
                let stall = u64::from_str_radix(hex, 16).unwrap() >> 41 & 15;
                found.push(Some(Instruction { text, stall }));
                if ends {
                    found.push(None);
                }
            }
        }
    }
    found
}

/// Whether an instruction's operands, those behind its first, name a register.
fn reads(instruction: &str, register: &str) -> bool {
    let operands = instruction.split_once(", ").map_or("", |(_, operands)| operands);
    operands.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == register)
}

/// Every `CS2R` and the first instruction that reads it too early, with the cycles between them.
fn too_early(listing: &str) -> Vec<String> {
    let code = instructions(listing);
    let mut found = vec![];
    for (at, first) in code.iter().enumerate().filter_map(|(at, i)| Some((at, i.as_ref()?))) {
        let Some((_, operands)) = first.text.split_once("CS2R") else { continue };
        let register = operands.trim_start_matches(".32").trim().split(',').next().unwrap();
        let mut cycles = first.stall;
        for next in code[at + 1..].iter().map_while(Option::as_ref) {
            if cycles >= LATENCY {
                break;
            }
            if reads(&next.text, register) {
                found.push(format!("{} | {} | after {cycles} cycles", first.text, next.text));
                break;
            }
            cycles += next.stall.max(1);
        }
    }
    found
}

#[test]
fn no_result_is_read_before_it_is_there() {
    let Some(((cubins, tool), compiler)) = cubins().zip(disassembler()).zip(compiler()) else { return };
    let hopper = programs().into_iter().find(|program| program.kernel == "score_wgmma").unwrap();
    let variants: Vec<Cubin> = in_parallel(&["0", "1", "2"], |variant| {
        let defines: &[String] = vec![format!("-DVARIANT={variant}")].leak();
        Cubin::compile(compiler, Box::leak(Box::new(Program { defines, ..*hopper })), "sm_90a")
    });
    let listed = |cubin: &&Cubin| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, &cubin.code).unwrap();
        let output =
            Command::new(&tool).args(["--print-code", "--print-instruction-encoding"]).arg(file.path()).output();
        let listing = String::from_utf8(output.unwrap().stdout).unwrap();
        let count = instructions(&listing).iter().flatten().count();
        assert!(count > 50, "{count} instructions were read of {}", cubin.program.kernel);
        too_early(&listing)
    };
    let all: Vec<&Cubin> = cubins.iter().chain(&variants).collect();
    for (cubin, early) in all.iter().zip(in_parallel(&all, listed)) {
        assert!(early.is_empty(), "{} for {}:\n{}", cubin.program.kernel, cubin.architecture, early.join("\n"));
    }
}

/// What NVRTC 13.0 made of `last ? pointer : nullptr` for sm_90, and the same with a wait that is long enough.
#[test]
fn the_fault_of_nvrtc_13_is_seen() {
    let listing = "
        /*0c00*/              @P3 CS2R R10, SRZ ;                                   /* 0x00000000000a3805 */
                                                                                    /* 0x000fe4000001ff00 */
        /*0c10*/              @!P3 IMAD.WIDE.U32 R10, R126, 0x4, R134 ;             /* 0x000000047e0ab825 */
                                                                                    /* 0x000fc600078e0086 */
        /*0c20*/              ISETP.EQ.U32.AND P0, PT, R10, RZ, PT ;                /* 0x000000ff0a00720c */
                                                                                    /* 0x000fc80003f02070 */
";
    assert_eq!(too_early(listing), ["@P3 CS2R R10, SRZ | ISETP.EQ.U32.AND P0, PT, R10, RZ, PT | after 5 cycles"]);
    assert_eq!(too_early(&listing.replace("0x000fc600078e0086", "0x000fce00078e0086")), [""; 0]);
}
