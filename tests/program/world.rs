//! Several processes on this machine: what they exchange, and what becomes of them when they ask
//! for different things or when one is gone.
//!
//! Each rank is this test program again, told to play one rank of a case.

use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use jemscript::tensor::Kind;
use jemscript::world::{Backend, Place, Reduce, World};
use jemscript::{Result, Tensor};

const CASE: &str = "JEM_TEST_CASE";
const TIMEOUT: Duration = Duration::from_secs(4);

/// A port that nobody has.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .unwrap()
        .port()
}

fn spawn(case: &str, rank: usize, size: usize, port: u16) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["world::one_rank", "--exact", "--ignored", "--nocapture"])
        .env(CASE, format!("{case} {rank} {size} {port}"))
        .env("TORCH_CPP_LOG_LEVEL", "FATAL")
        .env("OMP_NUM_THREADS", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn ranks(case: &str, size: usize) -> Vec<Child> {
    let port = free_port();
    (0..size)
        .map(|rank| spawn(case, rank, size, port))
        .collect()
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn outputs(case: &str, size: usize) -> Vec<String> {
    let all = ranks(case, size).into_iter();
    all.map(|child| {
        let output = child.wait_with_output().unwrap();
        let said = said(&output);
        assert!(output.status.success(), "{case}: {said}");
        said
    })
    .collect()
}

/// One rank of a case: not a test of its own.
#[test]
#[ignore = "played by the other tests here"]
fn one_rank() {
    let Ok(told) = std::env::var(CASE) else {
        return;
    };
    let words: Vec<&str> = told.split(' ').collect();
    let number = |i: usize| words[i].parse::<usize>().unwrap();
    let place = Place::here(number(1), number(2), number(3) as u16);
    let world = World::join(&place, Backend::Auto, TIMEOUT).unwrap();
    play(words[0], &world).unwrap();
}

fn play(case: &str, world: &World) -> Result<()> {
    let (rank, size) = (world.rank(), world.size());
    let own = Tensor::of_slice(&[rank as f64 + 1.0, 10.0], &[2])?;
    match case {
        "values" => values(world, &own)?,
        "shapes" => {
            // A shape, an operation, and the end, each against something else; then all goes on.
            let n = 2 + rank as i64;
            let error = world.all_reduce("the gradient", &Tensor::ones(&[n])?, Reduce::Sum);
            println!("\nA {}", error.unwrap_err());
            let error = match rank {
                0 => world.all_reduce("x", &own, Reduce::Sum).map(|_| ()),
                _ => world.all_reduce("x", &own, Reduce::Max).map(|_| ()),
            };
            println!("\nB {}", error.unwrap_err());
            let error = match rank {
                0 => world.barrier("a barrier"),
                _ => world.end(),
            };
            println!("\nC {}", error.unwrap_err());
            let sum = world.all_reduce("x", &own, Reduce::Sum)?.to_vec()?;
            assert_eq!(sum, [3.0, 20.0]);
        }
        "wait" => {
            println!("READY {}", std::process::id());
            let started = Instant::now();
            loop {
                if let Err(error) = world.all_reduce("x", &own, Reduce::Sum) {
                    println!("\nD {:.1} {error}", started.elapsed().as_secs_f64());
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(world.barrier("again").is_err());
            return Ok(());
        }
        other => panic!("no case {other}"),
    }
    assert!(size > 1);
    world.end()
}

fn values(world: &World, own: &Tensor) -> Result<()> {
    let (rank, size) = (world.rank() as f64, world.size() as f64);
    let sum = size * (size + 1.0) / 2.0;
    for kind in [
        Kind::Float,
        Kind::Double,
        Kind::Half,
        Kind::BFloat16,
        Kind::Int64,
        Kind::Int,
    ] {
        let x = own.to_kind(kind)?;
        let found = world.all_reduce("x", &x, Reduce::Sum)?;
        assert_eq!(
            (found.kind(), found.to_vec()?),
            (kind, vec![sum, 10.0 * size])
        );
        let most = world.all_reduce("x", &x, Reduce::Max)?.to_vec()?;
        let least = world.all_reduce("x", &x, Reduce::Min)?.to_vec()?;
        assert_eq!((most[0], least[0]), (size, 1.0));
    }
    let mean = world.all_reduce("x", own, Reduce::Mean)?.to_vec()?;
    assert_eq!(mean, [sum / size, 10.0]);
    // What was given stays as it is; what is not contiguous, empty, or has no dimension is sent too.
    assert_eq!(own.to_vec()?, [rank + 1.0, 10.0]);
    let turned = Tensor::arange(0.0, 6.0, 1.0)?
        .reshape(&[2, 3])?
        .transpose(0, 1)?;
    let found = world.all_reduce("x", &turned, Reduce::Sum)?;
    assert_eq!(found.to_vec()?, turned.mul(size)?.to_vec()?);
    assert_eq!(
        world
            .all_reduce("x", &Tensor::zeros(&[0])?, Reduce::Sum)?
            .numel(),
        0
    );
    assert_eq!(
        world
            .all_reduce("x", &Tensor::scalar(1.0)?, Reduce::Sum)?
            .item()?,
        size
    );
    let mut raw = turned.mul(rank + 1.0)?.raw().shallow_clone();
    world.mean_in_place("x", &mut raw)?;
    assert_eq!(
        Tensor::from(raw).to_vec()?,
        turned.mul(sum / size)?.to_vec()?
    );
    let all = world.all_gather("x", own)?;
    assert_eq!(all.shape(), [size as i64, 2]);
    assert_eq!(all.to_vec()?[2], 2.0);
    for from in 0..world.size() {
        assert_eq!(
            world.broadcast("x", own, from)?.to_vec()?[0],
            from as f64 + 1.0
        );
    }
    let texts = world.texts("names", &"ä".repeat(world.rank() * 3))?;
    assert_eq!(
        texts.iter().map(|t| t.chars().count()).collect::<Vec<_>>()[..2],
        [0, 3]
    );
    let numbers = world.numbers("numbers", &[rank, 0.1])?;
    assert_eq!(numbers[1], [1.0, 0.1]);
    jemscript::tensor::seed(5, jemscript::tensor::Stream::Init, 0);
    let noise = || Tensor::randn(&[1]).and_then(|x| x.item());
    let (inside, behind) = (world.with_own_noise(noise)?, noise()?);
    let all = world.numbers("noise", &[inside, behind])?;
    assert!(all[0][0] != all[1][0] && all[0][1] == all[1][1], "{all:?}");
    assert!(world.share("size", 3 * world.size() as i64 + 1, 1).is_err());
    Ok(())
}

#[test]
fn ranks_exchange_values() {
    for size in [2, 3] {
        outputs("values", size);
    }
}

/// Without the guard, a shape that differs ends the process, and another operation waits for ever.
#[test]
fn ranks_that_ask_for_different_things_are_told_what_each_asked_for() {
    for said in outputs("shapes", 2) {
        let line = |mark: &str| {
            said.lines()
                .find(|l| l.starts_with(mark))
                .unwrap()
                .to_owned()
        };
        let a = line("A ");
        assert!(
            a.contains("rank 0 is at all_reduce \"sum\" of the gradient, [2] float32"),
            "{a}"
        );
        assert!(
            a.contains("rank 1 is at all_reduce \"sum\" of the gradient, [3] float32"),
            "{a}"
        );
        assert!(
            line("B ").contains("rank 1 is at all_reduce \"max\" of x"),
            "{said}"
        );
        assert!(
            line("C ").contains("rank 1 is at the end of the script"),
            "{said}"
        );
    }
}

/// Kills or stops one rank; gives what the others said.
fn lose(size: usize, lost: usize, signal: &str) -> Vec<String> {
    use std::io::{BufRead, BufReader, Read};
    let mut all: Vec<Child> = ranks("wait", size);
    let mut readers = Vec::new();
    for child in &mut all {
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("READY") {
            line.clear();
            assert!(
                reader.read_line(&mut line).unwrap() > 0,
                "a rank did not start"
            );
        }
        readers.push(reader);
    }
    std::thread::sleep(Duration::from_millis(200));
    let pid = all[lost].id().to_string();
    assert!(
        Command::new("kill")
            .args([signal, &pid])
            .status()
            .unwrap()
            .success()
    );
    let mut found = Vec::new();
    for (rank, (child, reader)) in all.iter_mut().zip(&mut readers).enumerate() {
        if rank != lost {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert!(child.wait().unwrap().success(), "{text}");
            found.push(text);
        }
    }
    let _ = all[lost].kill();
    let _ = all[lost].wait();
    found
}

#[test]
fn a_rank_that_is_killed_is_named_within_seconds() {
    for (size, lost) in [(2, 0), (2, 1), (3, 1)] {
        for text in lose(size, lost, "-KILL") {
            let line = text.lines().find(|l| l.starts_with("D ")).unwrap();
            let name = format!("rank {lost} (process ");
            assert!(line.contains(&name) && line.contains("has ended"), "{line}");
            let seconds: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
            assert!(seconds < 8.0, "{line}");
        }
    }
}

#[test]
fn a_rank_that_is_stopped_ends_in_a_time_out() {
    for text in lose(2, 1, "-STOP") {
        let line = text.lines().find(|l| l.starts_with("D ")).unwrap();
        assert!(
            line.contains("rank 1 (process ") && line.contains("is stopped"),
            "{line}"
        );
    }
}

/// What our declarations of Gloo make of c10d's layout is what libtorch itself allocates.
#[test]
fn the_layout_of_a_group_is_that_of_libtorch() {
    if jemscript::world::backends().is_ok() && cfg!(target_arch = "x86_64") {
        assert_eq!(jemscript::world::layout(), 488);
    }
    if let Some(sizes) = jemscript::world::layout_of_gpus() {
        assert_eq!(sizes, [0x480, 0x100]);
    }
}

/// Nothing listens but at the address that was named.
#[test]
fn the_store_listens_at_the_named_address_alone() {
    let port = free_port();
    // Rank 0 waits for a rank 1 that never comes.
    let mut child = spawn("values", 0, 2, port);
    let hex = format!(":{port:04X}");
    let listening = |file: &str| {
        let table = std::fs::read_to_string(file).unwrap_or_default();
        let one = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            (words.len() > 3 && words[1].ends_with(&hex) && words[3] == "0A")
                .then(|| words[1].clone())
        };
        table.lines().filter_map(one).collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    let started = Instant::now();
    while found.is_empty() && started.elapsed() < TIMEOUT {
        std::thread::sleep(Duration::from_millis(50));
        found = [listening("/proc/net/tcp"), listening("/proc/net/tcp6")].concat();
    }
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(found, [format!("0100007F{hex}")]);
}

#[test]
fn a_rank_that_never_comes_is_an_error_in_time() {
    let child = spawn("values", 0, 2, free_port());
    let output = child.wait_with_output().unwrap();
    let said = said(&output);
    assert!(
        !output.status.success() && said.contains("cannot join the others"),
        "{said}"
    );
}
