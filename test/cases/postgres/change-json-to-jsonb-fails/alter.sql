ALTER j TYPE jsonb USING j::jsonb
