CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT g, 'v' FROM generate_series(1, 50) AS g;
CREATE FUNCTION protect() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE made record;
BEGIN
  FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' AND schema_name <> 'pg_temp' LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', made.object_identity);
  END LOOP;
END $$;
CREATE EVENT TRIGGER protect ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION protect();
