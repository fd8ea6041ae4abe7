;; A second memory: as large as all memories may be together, so that it would fit if it were alone.
(core module $hoard (memory 256))
(core instance (instantiate $hoard))
