use super::*;
use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};

/// Listens, has a script connect and send by bash's own means, and says whether anything arrived by TCP and by UDP.
fn reached(confinement: impl Fn(&Place) -> Confinement, address: &str) -> (bool, bool) {
    let place = Place::new();
    let tcp = TcpListener::bind((address, 0)).unwrap();
    let udp = UdpSocket::bind((address, 0)).unwrap();
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    let (tcp_port, udp_port) = (tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port());
    let script = format!(
        "echo x > /dev/tcp/{address}/{tcp_port} || echo no tcp; echo x > /dev/udp/{address}/{udp_port} || echo no udp"
    );
    let ran = place.run(&confinement(&place), &script);
    // On this machine itself, both have arrived when the script has ended.
    let is_reached = |error: Option<io::Error>| match error {
        None => true,
        Some(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            false
        }
    };
    let reached = (is_reached(tcp.accept().err()), is_reached(udp.recv(&mut [0; 8]).err()));
    assert_eq!(ran.stdout.contains("no tcp"), !reached.0, "{ran:?}");
    assert_eq!(ran.stdout.contains("no udp"), !reached.1, "{ran:?}");
    reached
}

#[test]
fn there_is_none_where_it_is_not_allowed() {
    assert_eq!(reached(Place::confinement, "127.0.0.1"), (false, false));
}

#[test]
fn there_is_one_where_it_is_allowed() {
    let allowed = |place: &Place| Confinement { network: true, ..place.confinement() };
    assert_eq!(reached(allowed, "127.0.0.1"), (true, true));
}
