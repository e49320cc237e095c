ALTER j TYPE jsonb USING j::jsonb, ALTER k TYPE jsonb USING k::jsonb
