//! Where a process stands among the others: what its launcher says in environment variables.

use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// Whose variables say where a process stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Launcher {
    /// `torchrun`, and `jemscript launch`: they are heeded wherever they are set.
    #[default]
    Torchrun,
    /// Slurm's `srun`: only when asked for, since a batch step may have them and be one process.
    Slurm,
    /// `mpirun` of Open MPI, or of an MPI that speaks PMI.
    Mpi,
}

/// Where this process stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Which one it is, from 0.
    pub rank: usize,
    /// How many there are.
    pub size: usize,
    /// Which one it is on its machine.
    pub local: usize,
    /// The address of rank 0's machine.
    pub host: String,
    /// The port at which the ranks meet.
    pub port: u16,
    /// Whether the launcher keeps the store there, and not rank 0.
    pub(super) kept: bool,
    /// What tells this attempt from others at the same store.
    pub(super) attempt: String,
    /// The network interface to use, where one is named.
    pub(super) interface: Option<String>,
}

/// The port where none is named: c10d's own.
const PORT: u16 = 29_500;

type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

fn number<T: FromStr>(get: Variables, name: &str) -> Result<Option<T>> {
    get(name)
        .map(|text| {
            text.trim().parse().map_err(|_| {
                Error::argument(format!("{name} must be a whole number, got {text:?}"))
                    .with_hint("the launcher sets it; without WORLD_SIZE the program runs alone")
            })
        })
        .transpose()
}

impl Place {
    /// From this process's environment; `None` for one that runs alone.
    pub fn of_environment(launcher: Launcher) -> Result<Option<Place>> {
        Place::of(launcher, &|name| {
            std::env::var(name).ok().filter(|v| !v.is_empty())
        })
    }

    fn of(launcher: Launcher, get: Variables) -> Result<Option<Place>> {
        let names: [&[&str]; 3] = match launcher {
            Launcher::Torchrun => [&["WORLD_SIZE"], &["RANK"], &["LOCAL_RANK"]],
            Launcher::Slurm => [&["SLURM_NTASKS"], &["SLURM_PROCID"], &["SLURM_LOCALID"]],
            Launcher::Mpi => [
                &["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"],
                &["OMPI_COMM_WORLD_RANK", "PMI_RANK"],
                &["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID"],
            ],
        };
        let first = |names: &[&str]| -> Result<Option<usize>> {
            let set = names.iter().find(|name| get(name).is_some());
            set.map_or(Ok(None), |name| number(get, name))
        };
        let Some(size) = first(names[0])? else {
            return match launcher {
                Launcher::Torchrun => Ok(None),
                _ => Err(Error::argument(format!(
                    "--dist: {} is not set: this process was not started so",
                    names[0].join(" or ")
                ))
                .with_hint("start it by `srun` or `mpirun`, or leave --dist out")),
            };
        };
        if size == 1 {
            return Ok(None);
        }
        let rank = first(names[1])?.ok_or_else(|| {
            Error::argument(format!(
                "{} is set, and {} is not",
                names[0].join(" or "),
                names[1].join(" or ")
            ))
            .with_hint("torchrun and `jemscript launch` set both; unset WORLD_SIZE to run alone")
        })?;
        if rank >= size {
            return Err(Error::argument(format!(
                "rank {rank} of {size}: ranks count from 0"
            )));
        }
        let named = get("MASTER_ADDR");
        let host = match launcher {
            Launcher::Torchrun => named,
            Launcher::Slurm => named.or_else(|| get("SLURM_LAUNCH_NODE_IPADDR")),
            Launcher::Mpi => named.or_else(|| {
                let here: Option<usize> = number(get, "OMPI_COMM_WORLD_LOCAL_SIZE").ok().flatten();
                (here == Some(size)).then(|| "127.0.0.1".to_owned())
            }),
        };
        let host = host.ok_or_else(|| {
            Error::argument("MASTER_ADDR is not set: the ranks do not know where to meet")
                .with_hint("it is the address of rank 0's machine, as the others reach it")
        })?;
        let attempt = ["TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"]
            .map(|name| get(name).unwrap_or_default())
            .join("/");
        Ok(Some(Place {
            rank,
            size,
            local: first(names[2])?.unwrap_or(0),
            host,
            port: number(get, "MASTER_PORT")?.unwrap_or(PORT),
            kept: get("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|v| v == "True"),
            attempt: format!("jemscript/{attempt}"),
            interface: get("GLOO_SOCKET_IFNAME"),
        }))
    }

    /// A place on this machine: for tests and `launch`.
    pub fn here(rank: usize, size: usize, port: u16) -> Place {
        Place {
            rank,
            size,
            local: rank,
            host: "127.0.0.1".to_owned(),
            port,
            kept: false,
            attempt: "jemscript".to_owned(),
            interface: None,
        }
    }

    /// The socket at which rank 0 listens for the others: at the named address alone, since what
    /// comes in is neither encrypted nor authenticated. An address that is not this machine's own,
    /// as a service's, leaves no choice but all of them.
    #[cfg_attr(not(c10d), allow(dead_code))]
    pub(super) fn listen(&self) -> Result<Option<TcpListener>> {
        if self.rank != 0 || self.kept {
            return Ok(None);
        }
        let bound = TcpListener::bind((self.host.as_str(), self.port));
        let bound = match bound {
            Err(e) if e.kind() == std::io::ErrorKind::AddrNotAvailable => {
                TcpListener::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), self.port))
            }
            other => other,
        };
        bound.map(Some).map_err(|e| {
            Error::new(
                ErrorKind::Io,
                format!("rank 0 cannot listen at {}:{}: {e}", self.host, self.port),
            )
            .with_hint(
                "MASTER_ADDR must be an address of rank 0's machine, MASTER_PORT a free port",
            )
        })
    }

    /// This machine's address on the way to rank 0; nothing is sent to find it.
    #[cfg_attr(not(c10d), allow(dead_code))]
    pub(super) fn address(&self) -> Result<String> {
        let local = || {
            let probe = UdpSocket::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0))
                .or_else(|_| UdpSocket::bind("[::]:0"))?;
            probe.connect((self.host.as_str(), self.port))?;
            probe.local_addr()
        };
        local().map(|a| a.ip().to_string()).map_err(|e| {
            Error::new(
                ErrorKind::Io,
                format!("no way to rank 0 at {}: {e}", self.host),
            )
            .with_hint("MASTER_ADDR is the address of rank 0's machine, as this one reaches it")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(launcher: Launcher, set: &[(&str, &str)]) -> Result<Option<Place>> {
        Place::of(launcher, &|name| {
            let found = set.iter().find(|(n, _)| *n == name);
            found.map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn variables_of_each_launcher_are_read() -> Result<()> {
        use Launcher::{Mpi, Slurm, Torchrun};
        assert_eq!(of(Torchrun, &[])?, None);
        assert_eq!(of(Torchrun, &[("WORLD_SIZE", "1")])?, None);
        // A batch step of Slurm that is one process.
        assert_eq!(
            of(Torchrun, &[("SLURM_NTASKS", "4"), ("SLURM_PROCID", "0")])?,
            None
        );
        let place = of(
            Torchrun,
            &[
                ("WORLD_SIZE", "4"),
                ("RANK", "3"),
                ("LOCAL_RANK", "1"),
                ("MASTER_ADDR", "10.0.0.1"),
                ("MASTER_PORT", "1234"),
                ("TORCHELASTIC_USE_AGENT_STORE", "True"),
            ],
        )?;
        let place = place.unwrap_or_else(|| Place::here(0, 1, 0));
        assert_eq!((place.rank, place.size, place.local), (3, 4, 1));
        assert_eq!(
            (place.host.as_str(), place.port, place.kept),
            ("10.0.0.1", 1234, true)
        );
        let slurm = [
            ("SLURM_NTASKS", "2"),
            ("SLURM_PROCID", "1"),
            ("SLURM_LOCALID", "0"),
            ("SLURM_LAUNCH_NODE_IPADDR", "10.0.0.7"),
        ];
        assert_eq!(
            of(Slurm, &slurm)?.map(|p| (p.rank, p.host)),
            Some((1, "10.0.0.7".to_owned()))
        );
        let mpi = [
            ("OMPI_COMM_WORLD_SIZE", "2"),
            ("OMPI_COMM_WORLD_RANK", "1"),
            ("OMPI_COMM_WORLD_LOCAL_SIZE", "2"),
        ];
        assert_eq!(
            of(Mpi, &mpi)?.map(|p| (p.rank, p.host)),
            Some((1, "127.0.0.1".to_owned()))
        );
        Ok(())
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        use Launcher::{Slurm, Torchrun};
        let error = |launcher, set: &[(&str, &str)]| of(launcher, set).unwrap_err().to_string();
        assert!(error(Slurm, &[]).contains("SLURM_NTASKS"));
        assert!(error(Torchrun, &[("WORLD_SIZE", "2")]).contains("RANK"));
        assert!(error(Torchrun, &[("WORLD_SIZE", "two")]).contains("whole number"));
        let two = [("WORLD_SIZE", "2"), ("RANK", "0")];
        assert!(error(Torchrun, &two).contains("MASTER_ADDR"));
        let beyond = [("WORLD_SIZE", "2"), ("RANK", "2"), ("MASTER_ADDR", "a")];
        assert!(error(Torchrun, &beyond).contains("count from 0"));
    }
}
