//! Has the kernel write the memory of this process to swap, by what control groups offer for that. It takes swap, and the
//! right to write to a control group, so usually root.

use std::fs;
use std::path::{Path, PathBuf};

/// A way to push pages out.
#[derive(Debug)]
pub(super) struct Swap {
    /// A file of a control group.
    control: PathBuf,
    /// What is written to it.
    order: &'static str,
    /// A group this process was moved to for that, and the one it came from.
    moved: Option<(PathBuf, PathBuf)>,
}

impl Swap {
    /// Finds the way of this machine. Where groups are of version 1, the process moves to a group of its own until this
    /// is dropped, so that nothing else is pushed out with it.
    ///
    /// # Errors
    /// Why there is none, for the operator.
    pub(super) fn find() -> Result<Self, String> {
        let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
        if swaps.lines().count() < 2 {
            return Err("this machine has no swap".to_owned());
        }
        let groups = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let group = |wanted: &str| {
            groups.lines().find_map(|line| {
                let (_, rest) = line.split_once(':')?;
                let (controllers, path) = rest.split_once(':')?;
                controllers.split(',').any(|controller| controller == wanted).then(|| path.trim_start_matches('/'))
            })
        };
        if let Some(path) = group("") {
            let control = Path::new("/sys/fs/cgroup").join(path).join("memory.reclaim");
            if control.exists() {
                return Ok(Self { control, order: "1G", moved: None });
            }
        }
        let Some(path) = group("memory") else {
            return Err("the kernel has no control groups for memory".to_owned());
        };
        let from = Path::new("/sys/fs/cgroup/memory").join(path);
        let own = from.join(format!("muster-doctor-{}", std::process::id()));
        let only_root = |error: std::io::Error| format!("only root may swap pages out ({}: {error})", own.display());
        fs::create_dir(&own).map_err(only_root)?;
        let swap = Self { control: own.join("memory.force_empty"), order: "0", moved: Some((own.clone(), from)) };
        move_to(&own).map_err(only_root)?;
        Ok(swap)
    }

    /// Pushes out what can be; gives how many kB of this process are in swap then. Blocks.
    ///
    /// # Errors
    /// When nothing is in swap afterwards.
    pub(super) fn push_out(&self) -> Result<u64, String> {
        // It fails where less could be pushed out than was asked for, which is more than there is.
        let written = fs::write(&self.control, self.order);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let swapped = status.lines().find_map(|line| line.strip_prefix("VmSwap:")?.trim().strip_suffix(" kB"));
        match swapped.and_then(|kb| kb.parse().ok()) {
            None | Some(0) => Err(match written {
                Ok(()) => "the kernel wrote none of them to swap".to_owned(),
                Err(error) => format!("only root may swap pages out ({}: {error})", self.control.display()),
            }),
            Some(kb) => Ok(kb),
        }
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        if let Some((own, from)) = &self.moved {
            let _ = move_to(from);
            let _ = fs::remove_dir(own);
        }
    }
}

fn move_to(group: &Path) -> std::io::Result<()> {
    fs::write(group.join("cgroup.procs"), std::process::id().to_string())
}
