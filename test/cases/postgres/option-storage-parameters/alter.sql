SET (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false), RESET (parallel_workers)
