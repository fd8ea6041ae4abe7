;; Memory that threads share.
(core module (memory 1 1 shared))
