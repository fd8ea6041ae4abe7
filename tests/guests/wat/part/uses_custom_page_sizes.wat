;; Memory whose pages have one byte.
(core module (memory 1 (pagesize 1)))
