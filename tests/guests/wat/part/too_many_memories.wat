;; More memories than the pool has for one run, so that others would have none. All are empty.
(core module $empty (memory 0))
(core instance (instantiate $empty))
(core instance (instantiate $empty))
