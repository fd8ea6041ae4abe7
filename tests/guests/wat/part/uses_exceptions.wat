;; Exceptions.
(core module (tag))
