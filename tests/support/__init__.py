"""What several tests share: small pictures, small genomes, small searches."""
