DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET intervalstyle TO sql_standard', current_database()); END $$;
CREATE TABLE t (id integer PRIMARY KEY, v text, w interval);
INSERT INTO t VALUES (1, '-1 2:03:04', '-1 days -2 hours'), (2, '-1-2 +3 4:05:06', '1 year -3 days'), (3, '1 day -00:00:01', NULL);
