ADD COLUMN added money DEFAULT 3.5::money, ALTER id TYPE bigint
