# frozen_string_literal: true

# Which box a machine is made of: the lab's own where its file is at hand, else a plain Debian.
#
# labs-vm/build makes the lab's own box. Its file is found beside the Vagrantfile (copied from a
# teacher's stick, say), or where KERNELBOX_BOX says, and needs no network at all. A plain Debian is
# downloaded, pinned by its version, and provision.sh then installs everything: that takes a network.
module Boxes
  # HashiCorp has announced the end of the registry that serves the plain boxes for 31 December 2026
  # (github.com/hashicorp/vagrant/issues/13836). What `vagrant box add` has fetched before stays usable.
  PLAIN = {
    #  provider         architecture   box               version
    ["virtualbox",     "x86_64"] => ["bento/debian-13",  "202510.26.0"],
    ["virtualbox",     "arm64"]  => ["bento/debian-13",  "202510.26.0"],
    ["vmware_desktop", "x86_64"] => ["bento/debian-13",  "202510.26.0"],
    ["vmware_desktop", "arm64"]  => ["bento/debian-13",  "202510.26.0"],
    ["parallels",      "x86_64"] => ["bento/debian-13",  "202510.26.0"],
    ["parallels",      "arm64"]  => ["bento/debian-13",  "202510.26.0"],
    ["libvirt",        "x86_64"] => ["debian/trixie64",  "13.20260519.1"],
    ["hyperv",         "x86_64"] => ["generic/debian12", "4.3.12"],
  }.freeze

  PROVIDERS = PLAIN.keys.map(&:first).uniq.freeze

  Box = Struct.new(:name, :version, :file)

  # The box for a provider and an architecture ("x86_64" or "arm64"), or nil if there is none.
  def self.for(provider, architecture, top, env = ENV)
    file = file_for(provider, architecture, top, env)
    return Box.new("kernelbox/lab-#{mark(file)}", nil, file) if file

    name, version = PLAIN[[provider, architecture]]
    name && Box.new(name, version, nil)
  end

  # The providers with a box for an architecture.
  def self.providers(architecture)
    PLAIN.keys.select { |_, of| of == architecture }.map(&:first)
  end

  # The lab's own box as a file: KERNELBOX_BOX, or lab-PROVIDER-ARCHITECTURE.box beside the Vagrantfile.
  def self.file_for(provider, architecture, top, env = ENV)
    named = env["KERNELBOX_BOX"].to_s
    return File.expand_path(named, top) unless named.empty?

    beside = File.join(top, "lab-#{provider}-#{architecture}.box")
    beside if File.file?(beside)
  end

  # What tells one build's box from another's, so that Vagrant takes a new one for new.
  def self.mark(file)
    sum = checksum(file)
    return sum[0, 12] if sum
    return "missing" unless File.file?(file)

    "#{File.size(file)}-#{File.mtime(file).to_i}"
  end

  # The SHA-256 that labs-vm/build has written beside the box, or nil.
  def self.checksum(file)
    File.read("#{file}.sha256")[/\A\h{64}/]
  rescue Errno::ENOENT
    nil
  end
end
