//! Root file systems of static busybox.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

/// The host's program; Debian's package busybox-static puts it there.
pub const BUSYBOX: &str = "/usr/bin/busybox";

const DIRECTORIES: &[&str] = &[
    "bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "usr", "usr/bin", "var", "mnt",
];

const APPLETS: &[&str] = &[
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "dmesg",
    "echo",
    "env",
    "false",
    "find",
    "grep",
    "head",
    "hexdump",
    "hostname",
    "id",
    "ifconfig",
    "ionice",
    "ip",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mknod",
    "mount",
    "mv",
    "nc",
    "nproc",
    "od",
    "ping",
    "pivot_root",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "setpriv",
    "sh",
    "sleep",
    "sort",
    "stat",
    "stty",
    "sync",
    "tail",
    "taskset",
    "tee",
    "test",
    "timeout",
    "top",
    "touch",
    "tr",
    "true",
    "tty",
    "umount",
    "uname",
    "unshare",
    "uniq",
    "wc",
    "which",
    "xargs",
    "yes",
];

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\ntester:x:1000:1000::/home/tester:/bin/sh\n";
const GROUP: &str = "root:x:0:\ntty:x:5:\ntester:x:1000:\nextra:x:2000:tester\n";

/// Why no root file system can be made here, or `None` when one can.
#[must_use]
pub fn unmet() -> Option<String> {
    let head = fs::read(BUSYBOX).map(|program| program[..program.len().min(4096)].to_vec());
    // A program that is not static names its loader near its beginning: elf(5), PT_INTERP.
    let is_static = head.is_ok_and(|head| !head.windows(4).any(|text| text == b"/ld-"));
    (!is_static).then(|| format!("needs a static {BUSYBOX} (Debian's busybox-static)"))
}

/// Makes a root file system at `dir`, which must not exist. The program file is
/// linked from `base` when that is on the same file system, and copied there first.
///
/// # Errors
/// When a file cannot be made.
pub fn build(dir: &Path, base: &Path) -> io::Result<()> {
    if !base.exists() {
        fs::copy(BUSYBOX, base)?;
        fs::set_permissions(base, fs::Permissions::from_mode(0o755))?;
    }
    fs::create_dir(dir)?;
    for name in DIRECTORIES {
        fs::create_dir(dir.join(name))?;
    }
    fs::set_permissions(dir.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    fs::hard_link(base, dir.join("bin/busybox"))?;
    for applet in APPLETS {
        symlink("/bin/busybox", dir.join("bin").join(applet))?;
    }
    fs::write(dir.join("etc/passwd"), PASSWD)?;
    fs::write(dir.join("etc/group"), GROUP)
}

/// Gives a tree to another user, but for files with several names.
///
/// # Errors
/// When an owner cannot be changed.
pub fn give(dir: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let meta = fs::symlink_metadata(dir)?;
    if meta.is_dir() || meta.nlink() == 1 {
        lchown(dir, Some(uid), Some(gid))?;
    }
    if meta.is_dir() {
        for entry in fs::read_dir(dir)? {
            give(&entry?.path(), uid, gid)?;
        }
    }
    Ok(())
}
