# frozen_string_literal: true

require "fileutils"
require "rubygems/package"

# The checkout as one tar file, which Vagrant itself carries into the machine: no shared folder whose
# permissions break, and no rsync, which Windows has not got.
module Checkout
  PARTS = %w[LICENSE Makefile README.md kernelbox labs-vm notebooks pyproject.toml requirements.lock tests].freeze
  LEFT_OUT = /\.(box|box\.sha256|pyc|qcow2)\z/.freeze

  # Writes the tar of the checkout at `top` to the file `into`.
  def self.pack(top, into)
    FileUtils.mkdir_p(File.dirname(into))
    File.open("#{into}.part", "wb") do |out|
      Gem::Package::TarWriter.new(out) do |tar|
        files(top).each { |name| add(tar, name, File.join(top, name)) }
      end
    end
    File.rename("#{into}.part", into)
  end

  # Names of files, without hidden ones: .venv, .git and .vagrant are among those.
  def self.files(top)
    Dir.glob(PARTS.map { |part| "{#{part},#{part}/**/*}" }, base: top).uniq.sort.select do |name|
      File.file?(File.join(top, name)) && !name.match?(LEFT_OUT)
    end
  end

  # Windows knows no x bit, so a script is told by its first two bytes.
  def self.add(tar, name, file)
    content = File.binread(file)
    tar.add_file_simple(name, content.start_with?("#!") ? 0o755 : 0o644, content.bytesize) { |entry| entry.write(content) }
  end
end
