DO $$
BEGIN
  FOR n IN 1..300 LOOP
    BEGIN
      UPDATE t SET a = -n WHERE id BETWEEN n * 10 AND n * 10 + 30;
      IF n % 3 = 0 THEN RAISE EXCEPTION 'not this one'; END IF;
      INSERT INTO t VALUES (n * 10 + 1, n, 'sub');
      IF n % 7 = 0 THEN DELETE FROM t WHERE id = n * 10; END IF;
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
  END LOOP;
END $$;
BEGIN;
DO $$ BEGIN FOR n IN 1..100 LOOP BEGIN UPDATE t SET b = 'gone' WHERE id = n * 10; EXCEPTION WHEN others THEN NULL; END; END LOOP; END $$;
ROLLBACK;
