ADD COLUMN added jsonb DEFAULT '{"z": 1.0, "a": null}', ALTER id TYPE bigint
