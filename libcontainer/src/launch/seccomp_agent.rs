//! Hands the descriptor of a seccomp filter with `SCMP_ACT_NOTIFY` to the agent that decides on the
//! system calls (config-linux.md, "The Container Process State").

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::socket::SockType;
use oci_spec::runtime::LinuxSeccomp;
use serde::Serialize;
use serde_json::Value;

use super::unix_socket;
use crate::error::{Error, ErrorKind, Result};

/// The specification's name of the one descriptor that is sent.
const DESCRIPTOR_NAME: &str = "seccompFd";
const FIELD: &str = "linux.seccomp.listenerPath";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerProcessState<'a> {
    oci_version: &'a Value,
    fds: [&'static str; 1],
    pid: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a str>,
    state: &'a Value,
}

/// Sends the filter's `listener` to the profile's agent, with the process that installed it (`pid`,
/// as the runtime sees it) and the container's state, given as JSON (runtime.md, "State"). One
/// connection and one message, closed when this returns.
pub(crate) fn send(
    listener: OwnedFd,
    profile: &LinuxSeccomp,
    pid: i32,
    state_json: &[u8],
) -> Result<()> {
    let Some(path) = profile.listener_path() else {
        return Err(Error::config(
            FIELD,
            "required by the action SCMP_ACT_NOTIFY",
        ));
    };
    let object = || format!("{FIELD}: seccomp agent {}", path.display());
    let message = message(profile, pid, state_json)
        .map_err(|error| Error::new(ErrorKind::System, format!("{}: {error}", object())))?;
    let socket = unix_socket::connect(path, SockType::Stream)
        .map_err(|errno| Error::system(object(), "failed to connect with seccomp agent", errno))?;
    unix_socket::send_with_descriptor(socket.as_fd(), &message, listener.as_fd())
        .map_err(|errno| Error::system(object(), "sendmsg", errno))
}

fn message(profile: &LinuxSeccomp, pid: i32, state_json: &[u8]) -> serde_json::Result<Vec<u8>> {
    let state: Value = serde_json::from_slice(state_json)?;
    serde_json::to_vec(&ContainerProcessState {
        oci_version: state.get("ociVersion").unwrap_or(&Value::Null),
        fds: [DESCRIPTOR_NAME],
        pid,
        metadata: profile.listener_metadata().as_deref(),
        state: &state,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use serde_json::json;

    use super::*;
    use crate::launch::unix_socket::tests::receive;

    fn profile(listener_path: &str, metadata: Option<&str>) -> LinuxSeccomp {
        let mut profile = json!({
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": listener_path,
        });
        if let Some(metadata) = metadata {
            profile["listenerMetadata"] = metadata.into();
        }
        serde_json::from_value(profile).unwrap()
    }

    fn any_descriptor() -> OwnedFd {
        tempfile::tempfile().unwrap().into()
    }

    #[test]
    fn the_agent_gets_the_descriptor_and_the_specified_json() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.sock");
        let agent = UnixListener::bind(&path).unwrap();
        let state = json!({
            "ociVersion": "1.2.0", "id": "c", "status": "creating", "pid": 41, "bundle": "/b",
        });
        for metadata in [Some("MKNOD=/dev/null"), None] {
            let profile = profile(path.to_str().unwrap(), metadata);
            send(any_descriptor(), &profile, 42, state.to_string().as_bytes()).unwrap();
            let (peer, _) = agent.accept().unwrap();
            let (text, descriptors) = receive(&peer);
            assert_eq!(descriptors.len(), 1);
            let got: Value = serde_json::from_slice(&text).unwrap();
            let mut expected = json!({
                "ociVersion": "1.2.0", "fds": ["seccompFd"], "pid": 42, "state": state,
            });
            if let Some(metadata) = metadata {
                expected["metadata"] = metadata.into();
            }
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn an_agent_that_does_not_listen_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.sock");
        drop(UnixListener::bind(&path).unwrap());
        let profile = profile(path.to_str().unwrap(), None);
        let error = send(any_descriptor(), &profile, 1, b"{}").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "linux.seccomp.listenerPath: seccomp agent {}: failed to connect with seccomp agent: connection refused",
                path.display()
            )
        );
    }

    #[test]
    fn a_listener_without_a_place_to_go_is_an_error() {
        let profile = serde_json::from_str(r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#).unwrap();
        let error = send(any_descriptor(), &profile, 1, b"{}").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("linux.seccomp.listenerPath: required")
        );
    }
}
