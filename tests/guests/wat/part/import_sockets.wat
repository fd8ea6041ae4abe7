;; Needs the network.
(import "wasi:sockets/tcp-create-socket@0.2.0" (instance))
