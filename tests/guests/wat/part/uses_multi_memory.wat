;; More than one memory in a module.
(core module (memory 1) (memory 1))
