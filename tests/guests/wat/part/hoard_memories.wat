;; As many memories as a component may have, and a start function that keeps them for as long as it can.
(core module $empty (memory 0))
(core instance (instantiate $empty))
(core module $busy (func $start (loop $again (br $again))) (start $start))
(core instance (instantiate $busy))
